// Pairs of rows and groups of rows: problems, the calls, and what is compared.
#include "host/validate/batch_problem.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "fuselage/fairness_pass.h"
#include "host/reference/fairness.h"
#include "host/reference/pairs.h"
#include "host/validate/device_arrays.h"
#include "host/validate/inputs.h"
#include "host/validate/numbers.h"

namespace fuselage::validate {
namespace {

/// Room on the device for a gradient, and its way back.
struct Output {
  Array array;
  Buffer memory;

  Output(Backend& backend, const Array& like)
      : array(like.dtype(), like.shape()), memory(upload(backend, array.data(), array.bytes())) {}
  View view() const { return {memory.data(), array.dtype(), array.rows(), array.row_size(), array.row_size()}; }
  Array fetch(Backend& backend) {
    download(backend, array.data(), memory.data(), array.bytes());
    backend.synchronize();
    return std::move(array);
  }
};

std::vector<double> doubles_of(const std::optional<Array>& a) { return a ? to_doubles(*a) : std::vector<double>(); }
std::vector<unsigned char> flags_of(const std::optional<Array>& a) {
  std::vector<unsigned char> flags;
  for (const double x : doubles_of(a)) flags.push_back(x != 0);
  return flags;
}
std::vector<std::int64_t> integers_of(const Array& a) {
  if (a.empty()) return {};
  const Array wide = converted(a, DType::i64);
  return {wide.as<std::int64_t>().begin(), wide.as<std::int64_t>().end()};
}

}  // namespace

// ---- the calls ------------------------------------------------------------------------------------------------------

BatchSolution solve(Backend& backend, const PairProblem& p) {
  const std::int64_t rows = p.a.rows(), cols = p.a.row_size();
  const OptionalInput a = optional_input(backend, p.a, rows, cols), b = optional_input(backend, p.b, p.b.rows(), cols),
                      labels = optional_input(backend, p.labels, rows, 1),
                      weight = optional_input(backend, p.weight, rows, 1),
                      mask = optional_input(backend, p.mask, rows, 1);
  const Buffer upstream = upload(backend, &p.upstream, sizeof(float)), report(backend, sizeof(LossReport));
  const ConstView by(upstream.data(), DType::f32, 1, 1, 1);
  BatchSolution result;
  Output of_a(backend, p.a), of_b(backend, p.b);
  if (const auto* spec = std::get_if<InfoNce>(&p.loss)) {
    InfoNceLoss loss(backend);
    loss.run(*spec, {a.view, b.view, weight.view, mask.view, by, of_a.view(), of_b.view(), p.scale},
             static_cast<LossReport*>(report.data()));
    result.gradient[1] = of_b.fetch(backend);
  } else {
    backend.batch_triplet(std::get<BatchTriplet>(p.loss), {a.view, labels.view, mask.view, by, of_a.view(), p.scale},
                          static_cast<LossReport*>(report.data()));
  }
  result.gradient[0] = of_a.fetch(backend);
  download(backend, &result.report, report.data(), sizeof(LossReport));
  backend.synchronize();
  return result;
}

BatchSolution solve(Backend& backend, const PenaltyProblem& p) {
  const std::int64_t rows = p.prediction.rows(), cols = p.prediction.row_size();
  const OptionalInput prediction = optional_input(backend, p.prediction, rows, cols),
                      group = optional_input(backend, p.group, rows, 1),
                      target = optional_input(backend, p.target, rows, 1),
                      weight = optional_input(backend, p.weight, rows, 1),
                      mask = optional_input(backend, p.mask, rows, 1);
  const auto bytes = static_cast<std::int64_t>(p.q.size() * sizeof(double));
  const Buffer upstream = upload(backend, &p.upstream, sizeof(float)), report(backend, sizeof(LossReport)),
               q = upload(backend, p.q.data(), bytes);
  Output gradient(backend, p.prediction);
  GroupBatch batch;
  batch.prediction = prediction.view;
  batch.group = group.view;
  batch.groups = p.groups;
  batch.target = target.view;
  batch.weight = weight.view;
  batch.mask = mask.view;
  batch.upstream = ConstView(upstream.data(), DType::f32, 1, 1, 1);
  batch.gradient = gradient.view();
  batch.scale = p.scale;
  batch.q = p.q.empty() ? nullptr : static_cast<double*>(q.data());
  backend.penalty(p.penalty, batch, static_cast<LossReport*>(report.data()));
  BatchSolution result;
  result.gradient[0] = gradient.fetch(backend);
  result.q = p.q;
  download(backend, result.q.data(), q.data(), bytes);
  download(backend, &result.report, report.data(), sizeof(LossReport));
  backend.synchronize();
  return result;
}

// ---- problems -------------------------------------------------------------------------------------------------------

namespace {

/// What a problem asks for beside the loss.
struct Variant {
  const char* text;
  bool weight, mask;
  float scale, upstream;
};
constexpr Variant kVariants[] = {{"plain", false, false, 1, 1}, {"weight mask upstream scale", true, true, 64, 0.5f}};

std::optional<Array> weights_of(const Noise& noise, std::int64_t rows) {
  return noise.array(kWeight, DType::f32, {rows}, [](double u, std::int64_t i) { return i % 5 == 4 ? 0 : 2 * u; });
}
Array flags_for(const Noise& noise, std::int64_t rows) {
  Array mask(DType::u8, {rows});
  for (std::int64_t i = 0; i < rows; ++i)
    mask.as<std::uint8_t>()[static_cast<std::size_t>(i)] = noise.at(kMask, i) < 0.8;
  return mask;
}
/// Integers from 0 to `count` - 1.
Array integers(const Noise& noise, std::uint32_t stream, std::int64_t rows, std::int64_t count) {
  Array result(DType::i32, {rows});
  for (std::int64_t i = 0; i < rows; ++i)
    result.as<std::int32_t>()[static_cast<std::size_t>(i)] =
        static_cast<std::int32_t>(noise.at(stream, i) * static_cast<double>(count));
  return result;
}

/// On a grid, so that distances that are equal are so in any arithmetic, and none is nearly so.
double on_grid(double u) { return std::floor(33 * u) / 8 - 2; }
double spread(double u) { return 6 * (u - 0.5); }
/// What rows that nobody normalises are multiplied by, so that their logits are moderate.
double shrunk(const PairLosses::Any& loss, std::int64_t cols) {
  const auto* spec = std::get_if<InfoNce>(&loss);
  if (spec == nullptr || spec->normalise) return 1;
  return std::sqrt(spec->temperature / std::sqrt(static_cast<double>(cols)));
}

}  // namespace

void for_each_problem(const PairLosses::Any& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const PairProblem&)>& f) {
  const bool triplets = std::holds_alternative<BatchTriplet>(entry);
  std::vector<PairLosses::Any> settings;
  std::visit(
      [&](const auto& l) {
        for (const auto& changed : with_each_field_changed(l)) settings.push_back(changed);
      },
      entry);
  const std::vector<Shape> shapes = quick ? std::vector<Shape>{{5, 3}, {17, 33}}
                                          : std::vector<Shape>{{0, 3}, {1, 4}, {2, 1}, {5, 3}, {17, 33}, {40, 100}};
  std::uint32_t number = 0;
  for (const PairLosses::Any& loss : settings)
    for (const Shape& s : shapes)
      for (const Variant& v : kVariants) {
        const Noise noise(seed, 0xc0000000u + ++number);
        PairProblem p;
        p.text = fmt::format("{} {} [{}, {}] {}", PairLosses::to_string(loss), name_of(type), s.rows, s.cols, v.text);
        p.loss = loss;
        const double small = shrunk(loss, s.cols);
        const auto numbers = [&](double u, std::int64_t) { return triplets ? on_grid(u) : small * spread(u); };
        p.a = noise.array(kPrediction, type, {s.rows, s.cols}, numbers);
        if (!triplets) p.b = noise.array(kSecond, type, {s.rows, s.cols}, numbers);
        if (triplets) p.labels = integers(noise, kLabel, s.rows, 3);
        if (v.weight && !triplets) p.weight = weights_of(noise, s.rows);
        if (v.mask) p.mask = flags_for(noise, s.rows);
        p.scale = v.scale;
        p.upstream = v.upstream;
        f(p);
      }
}

void for_each_problem(const AnyPenalty& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const PenaltyProblem&)>& f) {
  std::vector<AnyPenalty> settings;
  std::visit(
      [&](const auto& p) {
        for (const auto& changed : with_each_field_changed(p)) settings.push_back(changed);
      },
      entry);
  const std::vector<std::int64_t> sizes =
      quick ? std::vector<std::int64_t>{7, 60} : std::vector<std::int64_t>{0, 1, 7, 60, 300};
  constexpr std::int64_t kGroups = 4;
  std::uint32_t number = 0;
  for (const AnyPenalty& penalty : settings) {
    const PenaltyRule rule = rule_of(penalty);
    if (rule.of_values && type != DType::f32) continue;  // the values of rows are fp32
    for (const std::int64_t rows : sizes)
      for (const Variant& v : kVariants) {
        const Noise noise(seed, 0xe0000000u + ++number);
        PenaltyProblem p;
        const std::int64_t cols = rule.score == penalty::Score::softmax ? 3 : 1;
        p.text = fmt::format("{} {} [{}, {}] {}", Penalties::to_string(penalty), name_of(type), rows, cols, v.text);
        p.penalty = penalty;
        p.prediction = noise.array(kPrediction, type, {rows, cols}, [&](double u, std::int64_t) {
          return rule.of_values || rule.score == penalty::Score::probability ? u : spread(u);
        });
        p.group = integers(noise, kSecond, rows, kGroups);
        p.groups = kGroups;
        if (rule.residual)
          p.target = noise.array(kTarget, DType::f32, {rows}, [](double u, std::int64_t) { return spread(u); });
        if (rule.needs_labels()) p.target = integers(noise, kLabel, rows, 3);
        if (rule.kind == PenaltyRule::Kind::moving) p.q = {0.125, 0.25, 0.125, 0.5};
        if (v.weight) p.weight = weights_of(noise, rows);
        if (v.mask) p.mask = flags_for(noise, rows);
        p.scale = v.scale;
        p.upstream = v.upstream;
        f(p);
      }
  }
}

// ---- judgement ------------------------------------------------------------------------------------------------------

namespace {

/// What both kinds are compared in.
class Judge {
 public:
  Judge(const std::string& text, const BatchSolution& got, Findings& findings)
      : text_(text), got_(got), findings_(findings) {}

  void equal(std::string_view what, std::int64_t is, std::int64_t should) {
    if (is != should) findings_.note(text_, what, static_cast<double>(is), static_cast<double>(should));
  }
  void near(std::string_view what, double is, double should, double term = 0) {
    findings_.value.see(error_in_ulp(DType::f32, is, should, term), fmt::format("{}: {}", text_, what));
  }
  /// The largest term of a derivative is `heat` times what the reference says.
  void gradient(int k, const std::vector<double>& expected, const std::vector<double>& terms, double scale,
                double heat) {
    const std::vector<double> gradient = to_doubles(got_.gradient[k]);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      nonfinite_ += !std::isfinite(gradient[i]);
      const double should = expected[i] * scale, term = terms[i] * scale * heat;
      findings_.gradient.see(error_in_ulp(got_.gradient[k].dtype(), gradient[i], should, term),
                             fmt::format("{}{}", text_, k > 0 ? " by b" : ""), static_cast<std::int64_t>(i));
    }
  }
  void end() { equal("nonfinite", got_.report.nonfinite, nonfinite_); }

 private:
  const std::string& text_;
  const BatchSolution& got_;
  Findings& findings_;
  std::int64_t nonfinite_ = 0;
};

}  // namespace

void compare(const PairProblem& p, const BatchSolution& got, Findings& findings) {
  reference::PairInput in;
  in.rows = p.a.rows();
  in.cols = p.a.row_size();
  in.a = to_doubles(p.a);
  in.b = to_doubles(p.b);
  in.labels = integers_of(p.labels);
  in.weight = doubles_of(p.weight);
  in.mask = flags_of(p.mask);
  const auto options = reference_options(p.loss);
  const reference::PairOutput expected = reference::pair_loss(PairLosses::name_of(p.loss), options, in);
  Judge judge(p.text, got, findings);
  const double heat = std::max(1.0, expected.logit),
               scale = static_cast<double>(p.scale) * static_cast<double>(p.upstream);
  judge.near("value", got.report.value, expected.value, std::max(expected.term, expected.logit));
  judge.near("weight_sum", got.report.weight_sum, expected.weight_sum);
  judge.equal("count", got.report.count, expected.count);
  judge.equal("correct", got.report.correct, expected.correct);
  judge.equal("bad_weights", got.report.bad_weights, expected.bad_weights);
  for (int k = 0; k < 2; ++k) judge.gradient(k, expected.gradient[k], expected.gradient_terms[k], scale, heat);
  judge.end();
}

void compare(const PenaltyProblem& p, const BatchSolution& got, Findings& findings) {
  const PenaltyRule rule = rule_of(p.penalty);
  reference::GroupInput in;
  in.rows = p.prediction.rows();
  in.cols = p.prediction.row_size();
  in.groups = p.groups;
  in.prediction = to_doubles(p.prediction);
  in.group = integers_of(p.group);
  in.target = doubles_of(p.target);
  in.weight = doubles_of(p.weight);
  in.mask = flags_of(p.mask);
  in.score = names_of(rule.score)[static_cast<std::size_t>(rule.score)];
  in.form = names_of(rule.form)[static_cast<std::size_t>(rule.form)];
  in.class_labels = p.target && is_label(p.target->dtype());
  in.residual = rule.residual;
  in.positive = rule.positive;
  in.q = p.q;
  const auto options = reference_options(p.penalty);
  const reference::GroupOutput expected = reference::penalty(Penalties::name_of(p.penalty), options, in);
  Judge judge(p.text, got, findings);
  judge.near("value", got.report.value, expected.value, expected.term);
  for (std::size_t g = 0; g < p.q.size(); ++g) judge.near("q", got.q[g], expected.q[g]);
  judge.gradient(0, expected.gradient, expected.gradient_terms,
                 static_cast<double>(p.scale) * static_cast<double>(p.upstream), 1);
  judge.end();
}

std::string difference(const BatchSolution& a, const BatchSolution& b) {
  if (std::memcmp(&a.report, &b.report, offsetof(LossReport, rejected)) != 0 || a.report.rejected != b.report.rejected)
    return fmt::format("report (values {} and {})", a.report.value, b.report.value);
  for (int k = 0; k < 2; ++k)
    if (!(a.gradient[k] == b.gradient[k])) return k > 0 ? "gradient by b" : "gradient";
  for (std::size_t g = 0; g < a.q.size(); ++g)
    if (std::bit_cast<std::uint64_t>(a.q[g]) != std::bit_cast<std::uint64_t>(b.q[g])) return "q";
  return {};
}

bool has_products(const PairLosses::Any& loss) { return std::holds_alternative<InfoNce>(loss); }

}  // namespace fuselage::validate
