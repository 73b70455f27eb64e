// Losses over all pairs of rows on the device of this build: the CPU's bits, but for matrix products.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fuselage/pair_losses.h"
#include "tests/cases/device_limits.h"
#include "tests/support/batches.h"
#include "tests/support/device.h"

namespace fuselage {
namespace {

using Bytes = std::vector<unsigned char>;
using Floats = std::vector<float>;

template <class T>
Buffer upload(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, std::max<std::size_t>(1, values.size() * sizeof(T)));
  backend.copy(buffer.data(), values.data(), values.size() * sizeof(T));
  return buffer;
}
template <class T>
std::vector<T> download(Backend& backend, const void* from, std::size_t count) {
  std::vector<T> values(count);
  backend.copy(values.data(), from, count * sizeof(T));
  backend.synchronize();
  return values;
}
Bytes bytes_of(const LossReport& report) {
  Bytes bytes(offsetof(LossReport, rejected) + 1);
  std::memcpy(bytes.data(), &report, bytes.size());
  return bytes;
}
Bytes report_at(Backend& backend, const Buffer& at) { return bytes_of(download<LossReport>(backend, at.data(), 1)[0]); }

class DevicePairs : public test::DeviceTest {
 protected:
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
  void TearDown() override { cases::set_device_limits({}); }
  /// Whether the test is to be quick: where every access is checked.
  static bool brief() {
    const char* const size = std::getenv("FUSELAGE_CASES");
    return size && std::string_view(size) == "brief";
  }

  /// f(backend) gives bytes: the same on both, in grids of any shape; in one alone where that takes long.
  template <class F>
  void expect_same(F&& f, const std::string& what, bool long_one = false) {
    const auto expected = f(*cpu_);
    for (const auto& [blocks, threads] : {std::pair{0, 0}, {1, 32}, {2, 96}}) {
      if (threads > 0 && long_one && brief()) continue;
      cases::DeviceLimits limits;
      limits.blocks = blocks;
      limits.threads = threads;
      cases::set_device_limits(limits);
      const auto got = f(*device_);
      ASSERT_EQ(got.size(), expected.size());
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_TRUE(got[i] == expected[i]) << what << ": output " << i << ", " << threads << " threads";
    }
  }
};

struct Sides {
  std::int64_t rows, cols, pitch;
  testing::Stored x;
  Floats weight;
  std::vector<std::uint8_t> mask;
  std::vector<std::int16_t> label;

  Sides(std::int64_t r, std::int64_t c, DType type, unsigned seed, int classes = 3)
      : rows(r), cols(c), pitch(c + 3), x(testing::normal(static_cast<std::size_t>(r * pitch), seed), type) {
    for (std::int64_t i = 0; i < rows; ++i) {
      weight.push_back(i % 7 == 3 ? -1.0f : static_cast<float>(i % 5) / 4);
      mask.push_back(i % 5 != 3);
      label.push_back(static_cast<std::int16_t>((i * i + 2 * i) % classes - 1));
    }
  }
  std::size_t elements() const { return static_cast<std::size_t>(rows * cols); }
  /// A view of `at`, with gaps between the rows.
  View view(const Buffer& at) const { return {at.data(), x.dtype, rows, cols, pitch}; }
};

std::string name_of(const Sides& s) {
  return std::to_string(s.rows) + " x " + std::to_string(s.cols) + " of " + std::string(name_of(s.x.dtype));
}

TEST_F(DevicePairs, RowsAndTheirGradients) {
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const auto& [rows, cols] : {std::pair{1, 1}, {9, 5}, {7, 300}, {2, 9000}})
      for (const int options : {0, 1, 2, 3}) {
        Sides s(rows, cols, type, static_cast<unsigned>(rows + options));
        const bool normalise = options % 2, masked = options / 2;
        Floats first = s.x.floats();
        std::fill_n(first.begin(), s.cols, 0.0f);  // a row of zeros
        if (rows > 2) first[static_cast<std::size_t>(2 * s.pitch)] = NAN;
        s.x = testing::Stored(first, type);
        const Floats g = testing::normal(s.elements(), 9, 3e4f);
        const auto run = [&](Backend& backend) {
          const Buffer x = upload(backend, s.x.bytes), mask = upload(backend, s.mask), dg = upload(backend, g),
                       u(backend, s.elements() * sizeof(float)), length = upload(backend, Floats(2 * s.weight.size())),
                       report = upload(backend, std::vector<LossReport>(1));
          double* const lengths = normalise ? length.as<double>() : nullptr;
          ConstView rows_kept;
          if (masked) rows_kept = {mask.as<std::uint8_t>(), s.rows};
          backend.pair_step(PackRows{s.view(x), rows_kept, u.as<float>(), lengths, 1e-8});
          const auto units = download<std::uint32_t>(backend, u.data(), s.elements());
          const Bytes all_lengths = download<unsigned char>(backend, length.data(), length.bytes());
          backend.pair_step(UnpackGradient{u.as<float>(), dg.as<float>(), lengths, 1e-8, rows_kept, s.view(x),
                                           report.as<LossReport>()});
          return std::vector<Bytes>{Bytes(reinterpret_cast<const unsigned char*>(units.data()),
                                          reinterpret_cast<const unsigned char*>(units.data() + units.size())),
                                    all_lengths, download<unsigned char>(backend, x.data(), s.x.bytes.size()),
                                    report_at(backend, report)};
        };
        expect_same(run, name_of(s) + ", options " + std::to_string(options));
      }
}

TEST_F(DevicePairs, BeginAndEnd) {
  for (const std::int64_t rows : {0, 1, 6, 300, 5000})
    for (const int options : {0, 1, 2, 3}) {
      const Sides s(rows, 1, DType::f32, 1);
      const bool one_set = options % 2, given = options / 2;
      const std::size_t outputs = static_cast<std::size_t>((one_set ? 2 : 1) * rows);
      const Floats values = testing::normal(outputs, 4), one{0.375f};
      const auto run = [&](Backend& backend) {
        const Buffer weight = upload(backend, s.weight), mask = upload(backend, s.mask),
                     upstream = upload(backend, one), dv = upload(backend, values), label(backend, outputs * 4 + 4),
                     row_weight(backend, outputs * 4 + 4), sums(backend, outputs * 8 + 8), factor(backend, 4),
                     report(backend, sizeof(LossReport));
        BeginPairs begin;
        begin.rows = rows;
        begin.sides = one_set ? 2 : 1;
        begin.one_set = one_set;
        if (given) {
          begin.weight = {weight.as<float>(), rows};
          begin.mask = {mask.as<std::uint8_t>(), rows};
          begin.upstream = {upstream.as<float>(), 1};
          begin.scale = 128;
        }
        begin.label = label.as<std::int32_t>();
        begin.row_weight = row_weight.as<float>();
        begin.sums = sums.as<double>();
        begin.factor = factor.as<float>();
        begin.report = report.as<LossReport>();
        backend.pair_step(begin);
        const Bytes begun = report_at(backend, report);
        EndPairs end{dv.as<float>(), static_cast<std::int64_t>(outputs), sums.as<double>(), report.as<LossReport>()};
        backend.pair_step(end);
        return std::vector<Bytes>{begun, report_at(backend, report),
                                  download<unsigned char>(backend, label.data(), outputs * 4),
                                  download<unsigned char>(backend, row_weight.data(), outputs * 4),
                                  download<unsigned char>(backend, factor.data(), 4)};
      };
      expect_same(run, std::to_string(rows) + " rows, options " + std::to_string(options));
    }
}

TEST_F(DevicePairs, PairsThatAreLeftOut) {
  for (const int options : {0, 1, 2, 3}) {
    const Sides s(9, 1, DType::f32, 1);
    const std::int64_t count = 5, keys = options / 2 ? 18 : 9;
    const Floats similarity = testing::normal(static_cast<std::size_t>(count * keys), 4);
    const auto run = [&](Backend& backend) {
      const Buffer mask = upload(backend, s.mask), block = upload(backend, similarity);
      ExcludePairs step{block.as<float>(), count, keys, 3, options % 2 == 1, {}};
      if (options != 1) step.mask = {mask.as<std::uint8_t>(), 9};
      backend.pair_step(step);
      return std::vector<Bytes>{download<unsigned char>(backend, block.data(), similarity.size() * 4)};
    };
    expect_same(run, "options " + std::to_string(options));
  }
}

TEST_F(DevicePairs, InfoNceAsOnTheCpu) {
  for (const char* text : {"info_nce", "info_nce:symmetric=false", "info_nce:pairs=one_set"})
    for (const bool masked : {false, true}) {
      const Sides a(21, 12, DType::f32, 3), b(21, 12, DType::f32, 4);
      const auto run = [&](Backend& backend, Floats& gradients) {
        const Buffer x = upload(backend, a.x.bytes), y = upload(backend, b.x.bytes), mask = upload(backend, a.mask),
                     report(backend, sizeof(LossReport));
        InfoNceBatch batch;
        batch.a = a.view(x), batch.b = b.view(y);
        batch.gradient_a = a.view(x), batch.gradient_b = b.view(y);
        if (masked) batch.mask = {mask.as<std::uint8_t>(), a.rows};
        InfoNceLoss loss(backend, 1000);
        loss.run(std::get<InfoNce>(PairLosses::parse(text, "spec")), batch, report.as<LossReport>());
        gradients = download<float>(backend, x.data(), a.x.bytes.size() / 4);
        for (const float g : download<float>(backend, y.data(), b.x.bytes.size() / 4)) gradients.push_back(g);
        return download<LossReport>(backend, report.data(), 1)[0];
      };
      Floats is, should;
      const LossReport got = run(*device_, is), expected = run(*cpu_, should);
      EXPECT_NEAR(got.value, expected.value, 1e-6 * expected.value) << text;
      EXPECT_EQ(got.count, expected.count);
      EXPECT_FALSE(got.rejected);
      for (std::size_t i = 0; i < is.size(); ++i) ASSERT_NEAR(is[i], should[i], 1e-6) << text << " " << i;
    }
}

TEST_F(DevicePairs, Triplets) {
  const std::pair<Sides, bool> batches[] = {
      {Sides(1, 3, DType::f32, 1), false},      {Sides(6, 2, DType::f32, 2), true},
      {Sides(33, 40, DType::bf16, 3), true},    {Sides(70, 33, DType::f16, 4, 5), true},
      {Sides(129, 65, DType::f32, 5), false},   {Sides(20, 0, DType::f32, 6), false},
      {Sides(300, 2, DType::f32, 7, 1), false}, {Sides(0, 4, DType::f32, 8), false}};
  for (const auto& [s, masked] : batches)
    for (const char* text : {"batch_triplet", "batch_triplet:mining=all", "batch_triplet:mining=all,squared=true",
                             "batch_triplet:average=nonzero,eps=0.01", "no gradient"}) {
      const bool with_gradient = std::string_view(text) != "no gradient";
      const BatchTriplet spec =
          with_gradient ? std::get<BatchTriplet>(PairLosses::parse(text, "spec")) : BatchTriplet{};
      const Floats one{0.375f};
      const auto run = [&](Backend& backend) {
        const Buffer x = upload(backend, s.x.bytes), label = upload(backend, s.label), mask = upload(backend, s.mask),
                     upstream = upload(backend, one), g = upload(backend, Bytes(s.x.bytes.size(), 7)),
                     report(backend, sizeof(LossReport));
        TripletBatch batch;
        batch.x = s.view(x);
        batch.label = {label.as<std::int16_t>(), s.rows};
        if (masked) batch.mask = {mask.as<std::uint8_t>(), s.rows};
        if (with_gradient) batch.gradient = s.view(g);
        batch.upstream = {upstream.as<float>(), 1};
        batch.scale = 256;
        backend.batch_triplet(spec, batch, report.as<LossReport>());
        return std::vector<Bytes>{report_at(backend, report),
                                  download<unsigned char>(backend, g.data(), s.x.bytes.size())};
      };
      expect_same(run, std::string(text) + " on " + name_of(s), s.rows > 40);
    }
}

TEST_F(DevicePairs, ManyPositivesTiesAndNan) {
  for (const int kind : {0, 1, 2, 3}) {
    Sides s(kind == 0 ? 270 : 40, 3, DType::f32, 7, 2);
    Floats numbers = s.x.floats();
    for (std::size_t i = 0; i < s.label.size(); ++i) s.label[i] = kind == 0 && i > 1 ? 5 : 1 + (i % 2);
    for (float& x : numbers) x = kind == 1 ? std::round(x) : x;  // distances that are equal, or 0
    if (kind == 2) numbers[static_cast<std::size_t>(7 * s.pitch + 1)] = NAN;
    if (kind >= 2) numbers[0] = INFINITY;
    if (kind == 3) s.label[0] = 9;  // in no triplet that is the hardest
    s.x = testing::Stored(numbers, DType::f32);
    for (const char* text : {"batch_triplet", "batch_triplet:mining=all"}) {
      const auto run = [&](Backend& backend) {
        const Buffer x = upload(backend, s.x.bytes), label = upload(backend, s.label),
                     report(backend, sizeof(LossReport));
        TripletBatch batch;
        batch.x = s.view(x);
        batch.gradient = s.view(x);
        batch.label = {label.as<std::int16_t>(), s.rows};
        backend.batch_triplet(std::get<BatchTriplet>(PairLosses::parse(text, "spec")), batch, report.as<LossReport>());
        return std::vector<Bytes>{report_at(backend, report),
                                  download<unsigned char>(backend, x.data(), s.x.bytes.size())};
      };
      expect_same(run, std::string(text) + ", kind " + std::to_string(kind), kind == 0);
    }
  }
}

}  // namespace
}  // namespace fuselage
