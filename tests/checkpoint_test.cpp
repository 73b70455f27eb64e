// Checkpoints: round trip, damage, what does not fit, and what must not be written.
#include "fuselage/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fuselage/train.h"
#include "tests/support/files.h"
#include "tests/support/tiny_data.h"

namespace fuselage {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using testing::blobs;

constexpr const char* kAdam = "adamw:lr=1e-2";

ModelSpec model(std::int64_t width = 8) { return {2, {{width, "relu"}, {3}}, Init::he, 1}; }

Trainer trained(Backend& backend, const char* optimizer = kAdam) {
  Trainer trainer(backend, model(), "softmax_cross_entropy", optimizer, "cosine", {"accuracy"});
  const Dataset data = blobs(60);
  trainer.fit(data, {.epochs = 2, .batch_size = 16, .seed = 3, .validation = &data});
  return trainer;
}

void expect_same(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.optimizer, b.optimizer);
  EXPECT_EQ(a.schedule, b.schedule);
  EXPECT_EQ(a.metrics, b.metrics);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.batch_size, b.batch_size);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.shuffle, b.shuffle);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.skipped, b.skipped);
  EXPECT_EQ(a.lr, b.lr);
  EXPECT_EQ(a.at, b.at);
  EXPECT_EQ(a.totals.value_sum, b.totals.value_sum);
  EXPECT_EQ(a.totals.count, b.totals.count);
  ASSERT_EQ(a.history.size(), b.history.size());
  for (std::size_t i = 0; i < a.history.size(); ++i) EXPECT_TRUE(a.history[i].same_numbers(b.history[i]));
  ASSERT_EQ(a.tensors.tensors.size(), b.tensors.tensors.size());
  for (const auto& [name, array] : a.tensors.tensors) EXPECT_EQ(array, b.tensors.at(name)) << name;
}

std::string error_of(const std::function<void()>& body, Errc code) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(name_of(error.code()), name_of(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

fs::path tensors_in(const fs::path& folder) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") found = entry.path();
  return found;
}

TEST(Checkpoint, ComesBackAsItWas) {
  const TempFolder folder;
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer trainer = trained(*backend);
  Checkpoint saved = trainer.snapshot();
  saved.totals.value_sum = 0.1 + 0.2;  // no short decimal
  saved.totals.count = 5;
  saved.history.back().train.loss = std::numeric_limits<double>::infinity();
  save_checkpoint(folder.path(), saved);
  expect_same(load_checkpoint(folder.path()), saved);
  EXPECT_EQ(folder.entries(), 2);
  EXPECT_EQ(tensors_in(folder.path()).filename(), "step-8.safetensors");

  save_checkpoint(folder.path(), saved);  // the same step again: never over the committed file
  EXPECT_EQ(tensors_in(folder.path()).filename(), "step-8-again.safetensors");
  expect_same(load_checkpoint(folder.path()), saved);
  saved.step = 9;
  save_checkpoint(folder.path(), saved);
  EXPECT_EQ(folder.entries(), 2);  // the one before is gone
  expect_same(load_checkpoint(folder.path()), saved);
}

TEST(Checkpoint, ATrainerGoesOnFromIt) {
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer first = trained(*backend);
  Trainer second(*backend, model(), "softmax_cross_entropy", kAdam, "cosine", {"accuracy"});
  second.restore(first.snapshot());
  expect_same(second.snapshot(), first.snapshot());
}

TEST(Checkpoint, EveryDamagedByteIsFound) {
  const TempFolder folder;
  const auto backend = make_backend("cpu", nullptr, 1);
  const Checkpoint saved = trained(*backend).snapshot();
  save_checkpoint(folder.path(), saved);
  for (const fs::path& path : {folder / "checkpoint.json", tensors_in(folder.path())}) {
    const std::string good = test::bytes_of(path), name = path.filename().string();
    std::int64_t found = 0, harmless = 0;
    for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 997) {
      for (const char flip : {char(1), char(128)}) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ flip);
        folder.file(name, bad);
        try {
          expect_same(load_checkpoint(folder.path()), saved);  // between the tokens of JSON nothing is lost
          ++harmless;
        } catch (const Error& error) {
          EXPECT_TRUE(error.code() == Errc::format || error.code() == Errc::io) << error.what();
          ++found;
        }
      }
    }
    EXPECT_GT(found, 500) << name;
    EXPECT_TRUE(harmless == 0 || path.extension() == ".json") << harmless;
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 2}) {
      folder.file(name, good.substr(0, length));
      EXPECT_THROW(load_checkpoint(folder.path()), Error) << name << " of " << length << " bytes";
    }
    folder.file(name, good);
  }
  expect_same(load_checkpoint(folder.path()), saved);
  fs::remove(tensors_in(folder.path()));
  EXPECT_TRUE(has(error_of([&] { load_checkpoint(folder.path()); }, Errc::io), "step-8.safetensors"));
}

TEST(Checkpoint, OfAnotherRunIsRefusedByName) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Checkpoint good = trained(*backend).snapshot();
  Trainer target(*backend, model(), "softmax_cross_entropy", kAdam, "cosine", {"accuracy"});
  const Checkpoint before = target.snapshot();
  const auto refused = [&](const std::function<void(Checkpoint&)>& change) {
    Checkpoint bad = good;
    change(bad);
    const std::string text = error_of([&] { target.restore(bad); }, Errc::mismatch);
    expect_same(target.snapshot(), before);
    return text;
  };
  auto& tensors = good.tensors.tensors;
  EXPECT_TRUE(has(refused([&](Checkpoint& c) { c.tensors.tensors.erase(c.tensors.tensors.begin() + 1); }),
                  "no tensor '" + tensors[1].first + "'"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.tensors.tensors.emplace_back("2.weight", Array()); }),
                  "tensor '2.weight', which no parameter has"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) {
                    c.tensors.tensors[0].second.reshape({4, 4});
                  }),
                  "'0.weight' is fp32 [4, 4], the model's is fp32 [8, 2]"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.tensors.tensors[0].second = Array(DType::f64, {8, 2}); }), "fp64"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.optimizer = "adam:lr=1e-2"; }), "optimizer is 'adam:lr=1e-2'"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.model = "2 -> 9 relu -> 3 identity"; }), "model is '2 -> 9"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.loss += ":label_smoothing=0.1"; }), "loss is"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.metrics.clear(); }), "metrics"));
  EXPECT_TRUE(has(refused([](Checkpoint& c) { c.schedule = "constant"; }), "schedule is 'constant'"));
  target.restore(good);

  const Dataset data = blobs(60), other = blobs(61);
  const auto fit = [&](const Dataset& set, std::int64_t batch, std::uint64_t seed) {
    return error_of([&] { target.fit(set, {.epochs = 3, .batch_size = batch, .seed = seed}); }, Errc::bad_argument);
  };
  EXPECT_TRUE(has(fit(other, 16, 3), "samples = 60"));
  EXPECT_TRUE(has(fit(data, 20, 3), "batch_size = 16"));
  EXPECT_TRUE(has(fit(data, 16, 4), "seed = 3"));
  EXPECT_TRUE(has(fit(data, 16, 3), "schedule"));  // a cosine over two epochs is another one than over three
}

TEST(Checkpoint, ValuesThatAreNotFiniteAreNotWritten) {
  const TempFolder folder;
  const auto backend = make_backend("cpu", nullptr, 1);
  const Checkpoint good = trained(*backend).snapshot();
  save_checkpoint(folder.path(), good);
  Checkpoint bad = good;
  bad.step = 99;
  bad.tensors.tensors[2].second.as<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(has(error_of([&] { save_checkpoint(folder.path(), bad); }, Errc::non_finite),
                  "'" + bad.tensors.tensors[2].first + "'[1]"));
  expect_same(load_checkpoint(folder.path()), good);
}

TEST(Checkpoint, BeforeTheFirstStepIsOneToo) {
  const TempFolder folder;
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer fresh(*backend, model(), "softmax_cross_entropy", kAdam);
  save_checkpoint(folder.path(), fresh.snapshot());
  Trainer other(*backend, model(), "softmax_cross_entropy", kAdam);
  other.restore(load_checkpoint(folder.path()));
  other.fit(blobs(60), {.epochs = 1});
  EXPECT_EQ(other.history().size(), 1u);
}

}  // namespace
}  // namespace fuselage
