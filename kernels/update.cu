// The optimizer step: one thread prepares the scalars, one launch moves everything.
// budget: prepare_kernel registers<=40 spills=0
// budget: update_kernel registers<=80 spills=0
// vectors: update_kernel loads>=16 stores>=13
// vectors: update_kernel<fuselage::optim::Sgd> loads>=11 stores>=8
#include "kernels/update.cuh"

#include <variant>

namespace fuselage::kernels {

void update(const UpdateTable& table, const OptimizerSpec& optimizer, const AnySchedule& schedule,
            const StepFields& state, const LossReport* gate, void* prepared, CUstream_st* stream) {
  const Regularisation options{static_cast<float>(optimizer.options.l1), static_cast<float>(optimizer.options.l2),
                               optimizer.options.maximize};
  std::visit(
      [&]<class R, class S>(const R& rule, const S& plan) {
        static_assert(sizeof(Prepared<R>) <= kPreparedBytes);
        auto* scalars = static_cast<Prepared<R>*>(prepared);
        launch({.name = "prepare update", .blocks = 1, .threads = 1, .stream = stream}, prepare_kernel<R, S>, rule,
               plan, state, gate, scalars);
        if (table.chunks == 0) return;
        launch({.name = "update",
                .blocks = blocks_for(table.chunks, 1),
                .threads = threads_for(kUpdateThreads),
                .stream = stream},
               update_kernel<R>, table, options, scalars);
      },
      optimizer.rule, schedule);
}

}  // namespace fuselage::kernels
