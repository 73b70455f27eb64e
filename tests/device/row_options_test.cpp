// Options of rows of classes that the cases leave out: the class axis first, lengths, confusion and calibration, and
// transformed logits beside them. The device gives the CPU's bits.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "fuselage/backend.h"
#include "tests/support/device.h"

namespace fuselage {
namespace {

using Sizes = std::array<std::int64_t, 3>;  // outer, classes, inner

/// Everything that a pass reads and writes, in ordinary memory.
struct Arrays {
  std::vector<float> x, t, values;
  std::vector<float> gradient;
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> lengths, confusion, calibration;
  std::vector<std::uint8_t> mask;
  LossReport report;
};

struct Choice {
  Sizes sizes;
  std::string_view loss;
  bool first, dense, lengths, in_place, mask = false;
};

Arrays inputs(const Choice& choice) {
  const auto [outer, classes, inner] = choice.sizes;
  const std::int64_t rows = outer * inner;
  Arrays a;
  for (std::int64_t i = 0; i < rows * classes; ++i) {
    a.x.push_back(static_cast<float>(i * 37 % 101) / 8 - 4);
    a.t.push_back(static_cast<float>(i * 11 % 17) / 16);
  }
  for (std::int64_t r = 0; r < rows; ++r)
    a.labels.push_back(static_cast<std::int32_t>(r % 9 == 4 ? -1 : r * 5 % classes));
  for (std::int64_t r = 0; r < rows; ++r) a.mask.push_back(r % 3 != 1);
  for (std::int64_t o = 0; o < outer; ++o) a.lengths.push_back(o % 4 == 3 ? inner + 1 : (o * 3 + 1) % (inner + 1));
  if (rows > 5) a.x[static_cast<std::size_t>(5 * classes)] = __builtin_nanf("");
  a.gradient.resize(a.x.size());
  a.values.resize(static_cast<std::size_t>(rows));
  // The square of many classes is more than a device that checks each access has time for.
  if (classes <= 1000) a.confusion.assign(static_cast<std::size_t>(classes * classes), 3);
  a.calibration.assign(12, 5);
  return a;
}

template <class T>
struct Copy {
  Backend& backend;
  std::vector<T>& host;
  Buffer memory;
  Copy(Backend& b, std::vector<T>& from) : backend(b), host(from), memory(b, from.size() * sizeof(T)) {
    b.copy(memory.data(), from.data(), memory.bytes());
  }
  T* data() { return memory.template as<T>(); }
  void fetch() { backend.copy(host.data(), memory.data(), memory.bytes()); }
};

void run(Backend& backend, const Choice& choice, Arrays& a) {
  const auto [outer, classes, inner] = choice.sizes;
  const std::int64_t rows = outer * inner;
  Copy x(backend, a.x), t(backend, a.t), gradient(backend, a.gradient), values(backend, a.values);
  Copy labels(backend, a.labels);
  Copy mask(backend, a.mask);
  Copy lengths(backend, a.lengths), confusion(backend, a.confusion), calibration(backend, a.calibration);
  const Buffer report(backend, sizeof(LossReport));
  const auto matrix = [&, outer = outer, classes = classes, inner = inner](float* data) {
    return choice.first ? channels_first(data, outer, classes, inner) : View(data, rows, classes);
  };
  LossBatch b;
  b.prediction = matrix(x.data());
  b.target = choice.dense ? ConstView(matrix(t.data())) : ConstView(labels.data(), rows);
  b.gradient = matrix(choice.in_place ? x.data() : gradient.data());
  b.values = {values.data(), rows};
  if (choice.mask) b.mask = {mask.data(), rows};
  if (choice.lengths) b.lengths = {lengths.data(), outer};
  b.metrics.accuracy = true;
  if (!a.confusion.empty()) b.metrics.confusion = {confusion.data(), classes, classes};
  const AnyLoss loss = Losses::parse(choice.loss, "loss");
  if (std::visit([](const auto& l) { return traits_of(l).probabilities; }, loss))
    b.metrics.calibration = {calibration.data(), 4, 3};
  backend.loss(loss, b, report.as<LossReport>());
  backend.copy(&a.report, report.data(), sizeof a.report);
  x.fetch(), gradient.fetch(), values.fetch(), confusion.fetch(), calibration.fetch();
  backend.synchronize();
}

std::string text(double x) { return std::to_string(x); }  // NaN is itself

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class RowOptions : public test::DeviceTest {
 protected:
  void compare(const Choice& choice) {
    Arrays got = inputs(choice), expected = inputs(choice);
    run(*device_, choice, got);
    run(*cpu_, choice, expected);
    const std::string what = std::string(choice.loss) + " [" + std::to_string(choice.sizes[0]) + ", " +
                             std::to_string(choice.sizes[1]) + ", " + std::to_string(choice.sizes[2]) + "]" +
                             (choice.first ? " first" : "") + (choice.dense ? " dense" : "") +
                             (choice.lengths ? " lengths" : "");
    EXPECT_TRUE(same(got.x, expected.x)) << what;
    EXPECT_TRUE(same(got.gradient, expected.gradient)) << what;
    EXPECT_TRUE(same(got.values, expected.values)) << what;
    EXPECT_EQ(got.confusion, expected.confusion) << what;
    EXPECT_EQ(got.calibration, expected.calibration) << what;
    EXPECT_EQ(std::memcmp(&got.report.value, &expected.report.value, sizeof(double)), 0) << what;
    EXPECT_EQ(got.report.weight_sum, expected.report.weight_sum) << what;
    EXPECT_EQ(got.report.count, expected.report.count) << what;
    EXPECT_EQ(got.report.correct, expected.report.correct) << what;
    EXPECT_EQ(got.report.nonfinite, expected.report.nonfinite) << what;
    EXPECT_EQ(got.report.bad_labels, expected.report.bad_labels) << what;
    EXPECT_EQ(got.report.first_bad_row, expected.report.first_bad_row) << what;
    EXPECT_EQ(text(got.report.first_bad_label), text(expected.report.first_bad_label)) << what;
  }
  void compare_all(const Sizes& sizes) {
    int turn = 0;
    for (const bool first : {false, true})
      for (const bool dense : {false, true}) {
        compare({sizes, "softmax_cross_entropy", first, dense, !dense, first});
        const char* loss = dense ? "softmax_cross_entropy:label_smoothing=0.1,z_loss=0.01"
                                 : "softmax_cross_entropy:temperature=0.5,softcap=3,z_loss=0.01";
        compare({sizes, loss, first, dense, ++turn % 2 == 0, !first});
      }
    compare({sizes, "softmax_cross_entropy:temperature=2", true, true, true, false});
  }

  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
};

TEST_F(RowOptions, OfShortRows) {
  compare_all({3, 5, 70});  // blocks of threads and of rows that do not line up
  compare_all({4, 32, 3});
  compare_all({6, 2, 1});
}
TEST_F(RowOptions, OfLongRows) {
  compare_all({4, 40, 3});
  compare_all({1, 64, 4});
}
TEST_F(RowOptions, OfOtherLosses) {
  for (const Sizes& sizes : {Sizes{3, 5, 70}, Sizes{2, 40, 6}, Sizes{2, 4100, 1}})
    for (const char* loss : {"nll", "cross_entropy", "poly1", "multi_margin"}) {
      const bool labels_alone = std::string_view(loss) == "multi_margin";
      compare({sizes, loss, false, false, true, true});
      compare({sizes, loss, false, false, false, false, true});
      compare({sizes, loss, true, !labels_alone, false, false});
    }
}
TEST_F(RowOptions, LossesOfRowsGiveSumsOfClasses) {
  const std::int64_t rows = 5000, classes = 7;
  std::vector<float> log_p, weight;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < rows * classes; ++i) log_p.push_back(-static_cast<float>(i * 37 % 101) / 9);
  for (std::int64_t r = 0; r < rows; ++r) {
    labels.push_back(static_cast<std::int32_t>(r * 5 % (classes + 1)));  // the last is none
    weight.push_back(static_cast<float>(r % 5));
  }
  const auto run = [&](Backend& backend) {
    std::vector<float> losses(weight.size());
    std::vector<GroupSums> sums(static_cast<std::size_t>(classes));
    Copy x(backend, log_p), w(backend, weight), values(backend, losses);
    Copy label(backend, labels);
    Copy found(backend, sums);
    const Buffer report(backend, sizeof(LossReport));
    LossBatch pass;
    pass.prediction = {x.data(), rows, classes};
    pass.target = {label.data(), rows};
    pass.weight = {w.data(), rows};
    pass.bad_labels = BadLabels::ignore;
    pass.values = {values.data(), rows};
    backend.loss(loss::Nll{}, pass, report.as<LossReport>());
    GroupMeasure measure{.score = penalty::Score::raw, .values = pass.values};
    GroupBatch by_class;
    by_class.prediction = pass.values;
    by_class.group = pass.target;
    by_class.groups = classes;
    by_class.weight = pass.weight;
    backend.group_sums(measure, by_class, found.data());
    found.fetch();
    backend.synchronize();
    return sums;
  };
  const std::vector<GroupSums> got = run(*device_), expected = run(*cpu_);
  for (std::size_t c = 0; c < got.size(); ++c) {
    EXPECT_GT(expected[c].count, 0);
    EXPECT_EQ(got[c].count, expected[c].count) << c;
    EXPECT_EQ(got[c].weight, expected[c].weight) << c;
    EXPECT_EQ(got[c].loss_sum, expected[c].loss_sum) << c;
  }
}
TEST_F(RowOptions, OfRowsOfManyChunks) { compare_all({2, 4100, 2}); }

}  // namespace
}  // namespace fuselage
