// Sums of losses and norms of parameters on the device of this build: the CPU's bits.
#include "fuselage/combination.h"

#include <gtest/gtest.h>

#include <cstring>
#include <tuple>
#include <vector>

#include "fuselage/core/rng.h"
#include "tests/support/device.h"

namespace fuselage {
namespace {

float number(std::uint32_t array, std::int64_t i) {
  const auto word = random_word64(5, static_cast<std::uint64_t>(i), stream_of(RandomUse::synthetic, array), 1);
  return static_cast<float>(4 * uniform_double(word) - 2);
}

/// Everything that a sum of three losses leaves: of two outputs, the first with two losses.
struct Outcome {
  LossReport total;
  std::vector<std::uint8_t> first, second;  ///< gradients
  std::vector<float> log_variances;         ///< their gradient
  bool operator==(const Outcome& o) const {
    return std::memcmp(&total, &o.total, offsetof(LossReport, rejected)) == 0 && total.rejected == o.total.rejected &&
           first == o.first && second == o.second && log_variances == o.log_variances;
  }
};

template <class T>
Buffer upload(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, values.size() * sizeof(T));
  backend.copy(buffer.data(), values.data(), buffer.bytes());
  return buffer;
}
template <class T>
std::vector<T> download(Backend& backend, const Buffer& buffer) {
  std::vector<T> values(buffer.bytes() / sizeof(T));
  backend.copy(values.data(), buffer.data(), buffer.bytes());
  backend.synchronize();
  return values;
}

template <class T>
Outcome run(Backend& backend, std::int64_t rows, std::int64_t cols, bool learned, bool bad, float scale = 64) {
  std::vector<T> y, z;
  std::vector<float> t;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    y.push_back(from_float<T>(number(0, i)));
    z.push_back(from_float<T>(number(1, i)));
    t.push_back(number(2, i));
  }
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(bad && r == 3 ? -1 : static_cast<std::int32_t>(r % cols));
  const std::vector<float> s{0.5f, -1.25f, 0.125f};
  const Buffer dy = upload(backend, y), dz = upload(backend, z), dt = upload(backend, t), dl = upload(backend, labels),
               ds = upload(backend, s), gy(backend, dy.bytes()), gz(backend, dz.bytes()), gs(backend, ds.bytes()),
               report(backend, sizeof(LossReport));
  const auto view = [&](const Buffer& b) { return View(b.as<T>(), rows, cols); };
  LossBatch squared, absolute, classes;
  squared.prediction = absolute.prediction = view(dy);
  squared.target = absolute.target = ConstView(dt.as<float>(), rows, cols);
  squared.gradient = absolute.gradient = view(gy);
  classes.prediction = view(dz);
  classes.target = ConstView(dl.as<std::int32_t>(), rows);
  classes.gradient = view(gz);
  const std::vector<LossTerm> terms{
      {loss::Mse{}, squared, 0.5}, {loss::Mae{}, absolute, 3}, {loss::SoftmaxCrossEntropy{}, classes, 1}};
  CombinedLoss sum(backend, terms.size());
  sum.run(terms, report.as<LossReport>(), scale, learned ? ds.as<float>() : nullptr,
          learned ? gs.as<float>() : nullptr);
  Outcome out;
  out.total = download<LossReport>(backend, report)[0];
  out.first = download<std::uint8_t>(backend, gy);
  out.second = download<std::uint8_t>(backend, gz);
  if (learned) out.log_variances = download<float>(backend, gs);
  return out;
}

class DeviceCombination : public test::DeviceTest {
 protected:
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, "portable"});
};

TEST_F(DeviceCombination, SumsOfLossesHaveTheBitsOfTheCpu) {
  for (const auto& [rows, cols] : {std::pair{5, 3}, {61, 10}, {7, 40}})
    for (const bool learned : {false, true})
      for (const bool bad : {false, true}) {
        EXPECT_EQ(run<float>(*device_, rows, cols, learned, bad), run<float>(*cpu_, rows, cols, learned, bad));
        EXPECT_EQ(run<bf16>(*device_, rows, cols, learned, bad), run<bf16>(*cpu_, rows, cols, learned, bad));
        EXPECT_EQ(run<f16>(*device_, rows, cols, learned, bad), run<f16>(*cpu_, rows, cols, learned, bad));
      }
}

/// Gradients that are finite one by one, and whose sums are not.
TEST_F(DeviceCombination, SumsThatOverflowAreCounted) {
  for (const std::int64_t rows : {5, 203}) {
    const float scale = 16000 * static_cast<float>(3 * rows);
    const Outcome should = run<f16>(*cpu_, rows, 3, false, false, scale);
    EXPECT_GT(should.total.nonfinite, rows / 2);
    EXPECT_EQ(run<f16>(*device_, rows, 3, false, false, scale), should);
  }
}

/// Two terms that share a gradient whose rows stand in blocks.
Outcome run_channels_first(Backend& backend, std::int64_t outer, std::int64_t classes, std::int64_t inner) {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < outer * classes * inner; ++i) x.push_back(number(4, i));
  for (std::int64_t r = 0; r < outer * inner; ++r) labels.push_back(static_cast<std::int32_t>(r % classes));
  const Buffer dx = upload(backend, x), dl = upload(backend, labels), g(backend, dx.bytes()),
               report(backend, sizeof(LossReport));
  LossBatch b;
  b.prediction = channels_first(static_cast<const float*>(dx.as<float>()), outer, classes, inner);
  b.target = ConstView(dl.as<std::int32_t>(), outer * inner);
  b.gradient = channels_first(g.as<float>(), outer, classes, inner);
  const std::vector<LossTerm> terms{{loss::SoftmaxCrossEntropy{}, b, 0.5}, {loss::MultiMargin{}, b, 2}};
  CombinedLoss(backend, terms.size()).run(terms, report.as<LossReport>(), 8);
  Outcome out;
  out.total = download<LossReport>(backend, report)[0];
  out.first = download<std::uint8_t>(backend, g);
  return out;
}

TEST_F(DeviceCombination, SharedGradientsWithTheClassAxisFirst) {
  for (const auto& [outer, classes, inner] : {std::tuple{1, 3, 5}, {3, 10, 7}, {2, 40, 9}})
    EXPECT_EQ(run_channels_first(*device_, outer, classes, inner), run_channels_first(*cpu_, outer, classes, inner));
}

ParameterNorms norms_on(Backend& backend, const std::vector<std::int64_t>& sizes, std::int64_t at) {
  std::vector<Parameter> parameters;
  std::vector<Buffer> memory;
  for (const std::int64_t n : sizes) {
    std::vector<float> wide;
    std::vector<bf16> narrow;
    for (std::int64_t i = 0; i < n; ++i) {
      wide.push_back(number(3, at++));
      narrow.push_back(from_float<bf16>(wide.back()));
    }
    Parameter a{"a" + std::to_string(n)}, b{"b" + std::to_string(n)};
    a.size = b.size = n;
    b.dtype = DType::bf16;
    memory.push_back(upload(backend, wide));
    a.value = memory.back().data();
    memory.push_back(upload(backend, wide));
    a.gradient = memory.back().data();
    memory.push_back(upload(backend, narrow));
    b.value = memory.back().data();
    memory.push_back(upload(backend, narrow));
    b.gradient = memory.back().data();
    for (Parameter* p : {&a, &b}) {
      memory.push_back(upload(backend, wide));
      p->state[0] = memory.back().as<float>();
      parameters.push_back(*p);
    }
  }
  const auto set = backend.bind(parameters, ParameterGroup{});
  const Buffer result(backend, sizeof(ParameterNorms));
  backend.norms(*set, result.as<ParameterNorms>());
  return download<ParameterNorms>(backend, result)[0];
}

TEST_F(DeviceCombination, NormsHaveTheBitsOfTheCpu) {
  const auto compare = [&](const std::vector<std::int64_t>& sizes, std::int64_t first) {
    const ParameterNorms is = norms_on(*device_, sizes, first), should = norms_on(*cpu_, sizes, first);
    EXPECT_EQ(is.l1, should.l1);
    EXPECT_EQ(is.squared_l2, should.squared_l2);
  };
  compare({1, 0, 255, 4096, 4097, 20000}, 0);
  // Doubles in another order often have the same sum, and seldom all of these.
  for (std::int64_t first = 0; first < 32000; first += 1000) compare({1000}, first);
}

}  // namespace
}  // namespace fuselage
