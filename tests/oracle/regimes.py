"""PyTorch's own errors on the inputs of `fuselage validate`: host/validate/peer_errors.h.

    ninja -C build oracle_regimes
    python tests/oracle/regimes.py build/tests/oracle/oracle_regimes

In fp32, bf16 and fp16, on the CPU, each output and each derivative by itself (reduction none). The inputs are those of
the whole and of the quick sweep with seed 0, and the judge is that of the sweep.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

HEADER = pathlib.Path(__file__).parents[2] / "host/validate/peer_errors.h"
INPUTS = HEADER.with_name("peer_inputs.h")
CALLS = {
    "mse": "F.mse_loss(y, t, reduction='none')",
    "mae": "F.l1_loss(y, t, reduction='none')",
    "huber": "F.huber_loss(y, t, reduction='none')",
    "smooth_l1": "F.smooth_l1_loss(y, t, reduction='none')",
    "poisson_nll": "F.poisson_nll_loss(y, t, reduction='none')",
    "gaussian_nll": "F.gaussian_nll_loss(y, t, z, reduction='none')",
    "bce": "F.binary_cross_entropy(y, t, reduction='none')",
    "bce_with_logits": "F.binary_cross_entropy_with_logits(y, t, reduction='none')",
    "soft_margin": "F.soft_margin_loss(y, t, reduction='none')",
    "hinge_embedding": "F.hinge_embedding_loss(y, t, reduction='none')",
    "margin_ranking": "F.margin_ranking_loss(y, z, t, reduction='none')",
    "kl": "F.kl_div(y, t, reduction='none')",
    "softmax_cross_entropy": "F.cross_entropy(y, t, reduction='none')",
    "nll": "F.nll_loss(y, t, reduction='none')",
    "multi_margin": "F.multi_margin_loss(y, t, reduction='none')",
    "cosine_embedding": "F.cosine_embedding_loss(y, z, t, reduction='none')",
    "cosine_similarity": "1 - F.cosine_similarity(y, t, dim=1)",
    "triplet": "F.triplet_margin_loss(y, z, v, reduction='none')",
}


def answer(folder, number, loss, dtype):
    def read(name):
        path = folder / f"{number}.{name}.npy"
        return torch.from_numpy(np.load(path)) if path.exists() else None

    def write(name, tensor):
        np.save(folder / f"{number}.{name}.npy", tensor.detach().float().numpy())

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    leaves = {}
    for name in ("prediction", "second", "third"):
        tensor = read(name)
        if tensor is not None:
            leaves[name] = tensor.to(kind).requires_grad_()
    target = read("target")
    if target is not None and target.is_floating_point():
        rounded = target.to(kind)
        if not torch.equal(rounded.float(), target):
            return  # another question
        target = rounded
    names = {"F": F, "t": target, "y": leaves["prediction"], "z": leaves.get("second"), "v": leaves.get("third")}
    output = eval(CALLS[loss], names)
    output.sum().backward()
    write("values", output)
    for name, leaf in leaves.items():
        write(name + "_gradient", leaf.grad)


def main(program):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([program, "dump", name], check=True)
        for line in (folder / "problems.txt").read_text().splitlines():
            number, loss, dtype = line.split()
            if loss not in CALLS:
                continue
            try:
                answer(folder, number, loss, dtype)
            except (RuntimeError, NotImplementedError) as error:
                print(f"{line}: {str(error).splitlines()[0]}", file=sys.stderr)
        tables = subprocess.run([program, "judge", name], check=True, capture_output=True, text=True).stdout
    write_headers(tables)


def write_headers(tables):
    at = tables.index("inline constexpr PeerInputs")
    errors, inputs = tables[:at].strip() + "\n", tables[at:]
    version = torch.__version__.split("+")[0]
    HEADER.write_text(f"""\
// The worst errors of PyTorch {version} on the CPU, on the plain inputs of the sweep with seed 0, in the sweep's units.
// Written by tests/oracle/regimes.py.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/core/field.h"
#include "fuselage/validate.h"

namespace fuselage::validate {{

struct PeerErrors {{
  std::string_view loss;
  DType dtype;
  Regime regime;
  bool quick;  ///< on the inputs of the quick sweep
  double value_ulp, gradient_ulp;
}};

{errors}
}}  // namespace fuselage::validate
""")
    INPUTS.write_text(f"""\
// Of which inputs the errors in peer_errors.h are.
// Written by tests/oracle/regimes.py.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/core/dtype.h"

namespace fuselage::validate {{

/// What the inputs of a sweep come to.
struct PeerInputs {{
  std::string_view loss;
  DType dtype;
  bool quick;
  std::uint64_t digest;
}};

{inputs}
}}  // namespace fuselage::validate
""")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(sys.argv[1])
