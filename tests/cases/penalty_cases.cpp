// Penalties on groups of rows, and measures of the same groups, as cases.
#include "tests/cases/image.h"
#include "tests/cases/loss_plan.h"
#include "tests/cases/settings.h"

namespace fuselage::cases {
namespace {

enum PenaltyFactor : std::size_t {
  kPenaltyShape,
  kPenalty,
  kPenaltyType,
  kPenaltyLayout,
  kPenaltyGradient,
  kPenaltyWeights,
  kPenaltyLabels,
  kGroupLabels,
  kPenaltyNumbers,
  kPenaltyPolicy,
  kPenaltyScale,
  kPenaltyBlocks,
  kPenaltyThreads
};

struct GroupShape {
  std::int64_t rows, groups, classes;
};
// Around warps, blocks and chunks of rows, the cells that a block takes at a time, and short and long rows of logits.
constexpr GroupShape kGroupShapes[] = {{5, 2, 3},    {0, 3, 2},     {1, 1, 2},    {33, 3, 32},  {40, 7, 33},
                                       {257, 33, 4}, {100, 300, 2}, {64, 5, 7},   {3, 2, 5000}, {4096, 4, 2},
                                       {4097, 2, 2}, {9000, 20, 3}, {300, 2, 257}};
constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};
constexpr DType kLabelTypes[] = {DType::u8, DType::i8, DType::i16, DType::i32, DType::i64};

struct PenaltyInputs {
  AnyPenalty penalty;
  GroupBatch batch;  ///< without views
  bool in_place;
  Image prediction, group, target, weight, mask, upstream, gradient, q;
};

struct PenaltyPlan {
  std::vector<AnyPenalty> penalties;
  std::vector<GroupShape> shapes;

  PenaltyPlan(const AnyPenalty& entry, Size size) : penalties(settings_of(entry)) {
    for (const GroupShape& shape : kGroupShapes)
      if (size == Size::full || shape.rows * shape.classes <= 10000) shapes.push_back(shape);
  }
  Space space() const {
    Space space;
    space.factors = {factor_of("shape", shapes,
                               [](const GroupShape& s) {
                                 return std::to_string(s.rows) + " rows, " + std::to_string(s.groups) + " groups, " +
                                        std::to_string(s.classes) + " classes";
                               }),
                     factor_of("penalty", penalties, [](const AnyPenalty& p) { return Penalties::to_string(p); }),
                     {"type", {"fp32", "bf16", "fp16"}},
                     layouts_of("layout", {Layout::packed, Layout::padded, Layout::spaced, Layout::columns}),
                     {"gradient", {"elsewhere", "in place", "added", "none"}},
                     {"weights", {"none", "weights", "mask", "both", "some bad"}},
                     {"labels", {"u8", "i8", "i16", "i32", "i64", "real", "some bad"}},
                     {"groups", {"u8", "i8", "i16", "i32", "i64", "some bad", "one"}},
                     {"numbers", {"ordinary", "large", "not finite", "all the same"}},
                     {"bad labels", {"error", "ignore"}},
                     {"scale", {"1", "128, with an upstream gradient"}}};
    for (Factor& factor : limit_factors(false)) space.factors.push_back(std::move(factor));
    return space;
  }
};

bool of_values(const AnyPenalty& any) {
  return std::holds_alternative<penalty::BoundedGroupLoss>(any) || std::holds_alternative<penalty::GroupDro>(any);
}

/// What labels a penalty takes: none, integers, or real numbers.
struct Targets {
  bool integers = false, reals = false;
};
Targets targets_of(const AnyPenalty& any) {
  if (of_values(any)) return {true, true};
  if (const auto* p = std::get_if<penalty::MeanDifference>(&any)) return {false, p->of == penalty::Of::residual};
  if (std::holds_alternative<penalty::DemographicParity>(any)) return {};
  return std::visit(
      []<class P>(const P& p) -> Targets {
        if constexpr (requires { p.score; }) return {true, p.score != penalty::Score::softmax};
        return {};
      },
      any);
}

bool softmax(const AnyPenalty& any) {
  return std::visit(
      []<class P>(const P& p) {
        if constexpr (requires { p.score; }) return p.score == penalty::Score::softmax;
        return false;
      },
      any);
}

/// A class of the softmax that the shape has.
AnyPenalty fitted(AnyPenalty any, std::int64_t classes) {
  std::visit(
      [&](auto& p) {
        if constexpr (requires { p.positive; }) p.positive = std::min(p.positive, classes - 1);
      },
      any);
  return any;
}

PenaltyInputs make_inputs(const PenaltyPlan& plan, const Levels& levels, const std::string& words) {
  const auto at = [&](PenaltyFactor factor) { return static_cast<std::size_t>(levels[factor]); };
  const GroupShape shape = plan.shapes[at(kPenaltyShape)];
  const Noise noise(words);
  PenaltyInputs in{fitted(plan.penalties[at(kPenalty)], shape.classes), {}, false, {}, {}, {}, {}, {}, {}, {}, {}};
  const bool values = of_values(in.penalty);
  const std::int64_t rows = shape.rows, cols = softmax(in.penalty) ? shape.classes : 1;
  const DType type = values ? DType::f32 : kTypes[at(kPenaltyType)];
  constexpr Layout layouts[] = {Layout::packed, Layout::padded, Layout::spaced, Layout::columns};
  const Layout layout = layouts[at(kPenaltyLayout)];

  in.prediction = Image::output(type, rows, cols, layout);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const std::uint32_t word = noise.word(0, i);
    float x = (levels[kPenaltyNumbers] == 1 ? 300 : 6) * (uniform(word) - 0.5f);
    if (levels[kPenaltyNumbers] == 2 && word % 97 == 0) x = not_finite(word >> 8);
    if (levels[kPenaltyNumbers] == 3) x = 0.5f;  // groups that are equal
    in.prediction.set(i / cols, i % cols, x);
  }
  const auto labels = [&](Image image, std::uint32_t stream, std::int64_t count, bool some_bad) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint32_t word = noise.word(stream, r);
      const auto label = static_cast<std::int64_t>(word % static_cast<std::uint32_t>(count));
      image.set_label(r, 0, some_bad && word / 64 % 9 == 0 ? count + 3 : label);
    }
    return image;
  };
  const auto group_type = at(kGroupLabels) < 5 ? kLabelTypes[at(kGroupLabels)] : DType::i32;
  in.group = labels(Image::input(shape.groups > 100 ? DType::i16 : group_type, rows, 1, Layout::padded), 1,
                    at(kGroupLabels) == 6 ? 1 : shape.groups, at(kGroupLabels) == 5);
  const Targets targets = targets_of(in.penalty);
  const bool real = targets.reals && (at(kPenaltyLabels) >= 5 || !targets.integers);
  if (real) {
    in.target = Image::input(at(kPenaltyScale) ? DType::f32 : type, rows, 1, Layout::spaced);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint32_t word = noise.word(2, r);
      in.target.set(r, 0, at(kPenaltyLabels) == 6 && word % 11 == 0 ? __builtin_nanf("") : uniform(word));
    }
  } else if (targets.integers) {
    const DType label_type =
        at(kPenaltyLabels) < 5 && shape.classes < 100 ? kLabelTypes[at(kPenaltyLabels)] : DType::i16;
    in.target = labels(Image::input(label_type, rows, 1, Layout::packed), 2, shape.classes, at(kPenaltyLabels) == 6);
    if (values && levels[kPenaltyLabels] % 2 == 0) in.batch.ignore_index = 1, in.batch.classes = shape.classes;
  }
  const int weights = levels[kPenaltyWeights];
  if (weights == 1 || weights >= 3) {
    in.weight = Image::input(DType::f32, rows, 1, Layout::padded);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint32_t word = noise.word(3, r);
      in.weight.set(r, 0, weights == 4 && word % 13 == 0 ? -1.0f : static_cast<float>(word % 7) / 2);
    }
  }
  if (weights == 2 || weights == 3) {
    in.mask = Image::input(DType::u8, rows, 1, Layout::padded);
    for (std::int64_t r = 0; r < rows; ++r) in.mask.set_label(r, 0, noise.word(4, r) % 4 != 0);
  }
  if (levels[kPenaltyScale] == 1) {
    in.batch.scale = 128;
    in.upstream = Image::input(DType::f32, 1, 1, Layout::packed);
    in.upstream.set(0, 0, 0.75f);
  }
  in.batch.groups = shape.groups;
  in.batch.bad_labels = levels[kPenaltyPolicy] ? BadLabels::ignore : BadLabels::error;
  in.in_place = levels[kPenaltyGradient] == 1;
  in.batch.accumulate = levels[kPenaltyGradient] == 2;
  if (levels[kPenaltyGradient] % 2 == 0) {
    in.gradient = Image::output(type, rows, cols, Layout::padded);
    for (std::int64_t i = 0; i < rows * cols && in.batch.accumulate; ++i)
      in.gradient.set(i / cols, i % cols, noise.centred(5, i));
  }
  if (values) {
    in.q = Image::output(DType::f64, 1, shape.groups, Layout::packed);
    for (std::int64_t g = 0; g < shape.groups; ++g) in.q.set(0, g, noise.unit(6, g));
  }
  return in;
}

/// Measures the rows as the penalty scores them.
GroupMeasure measure_of(const AnyPenalty& any, const ConstView& prediction) {
  GroupMeasure measure;
  std::visit(
      [&](const auto& p) {
        if constexpr (requires { p.score; }) measure.score = p.score, measure.positive = p.positive;
      },
      any);
  if (of_values(any)) measure.score = penalty::Score::raw, measure.values = prediction;
  return measure;
}

Outcome run_case(Backend& backend, const PenaltyInputs& in) {
  const Placed prediction(backend, in.prediction), group(backend, in.group), target(backend, in.target),
      weight(backend, in.weight), mask(backend, in.mask), upstream(backend, in.upstream),
      gradient(backend, in.gradient), q(backend, in.q);
  const auto groups = static_cast<std::size_t>(in.batch.groups);
  const Buffer reports(backend, 2 * sizeof(LossReport)), sums(backend, groups * sizeof(GroupSums));
  auto* const report = reports.as<LossReport>();
  GroupBatch b = in.batch;
  b.prediction = prediction.view();
  b.group = group.view();
  b.target = target.view();
  b.weight = weight.view();
  b.mask = mask.view();
  b.upstream = upstream.view();
  b.gradient = in.in_place ? prediction.view() : gradient.view();
  b.q = static_cast<double*>(q.view().data);
  backend.group_sums(measure_of(in.penalty, b.prediction), b, sums.as<GroupSums>(), report + 1);
  backend.penalty(in.penalty, b, report);
  Outcome outcome;
  outcome.parts.push_back(prediction.fetch("prediction"));
  if (in.gradient.given()) outcome.parts.push_back(gradient.fetch("gradient"));
  if (in.q.given()) outcome.parts.push_back(q.fetch("q"));
  const auto add = [&](const std::string& name, const auto& values) {
    for (const auto& [x, field] : values) outcome.parts.push_back(Part::number(name + "." + field, x));
  };
  const auto add_report = [&](const std::string& name) {
    LossReport r;
    backend.copy(&r, report, sizeof r);
    backend.synchronize();
    add(name, std::vector<std::pair<double, const char*>>{
                  {r.value, "value"}, {r.weight_sum, "weight_sum"}, {r.first_bad_label, "first_bad_label"}});
    if (r.bad_weights > 0)
      add(name, std::vector<std::pair<double, const char*>>{{r.first_bad_weight, "first_bad_weight"}});
    add(name, std::vector<std::pair<std::int64_t, const char*>>{{r.count, "count"},
                                                                {r.bad_labels, "bad_labels"},
                                                                {r.first_bad_row, "first_bad_row"},
                                                                {r.bad_weights, "bad_weights"},
                                                                {r.first_bad_weight_row, "first_bad_weight_row"},
                                                                {r.nonfinite, "nonfinite"},
                                                                {r.rejected, "rejected"}});
  };
  add_report("report");
  backend.join(report, report + 1);
  add_report("joined");
  std::vector<GroupSums> measured(groups);
  backend.copy(measured.data(), sums.data(), groups * sizeof(GroupSums));
  backend.synchronize();
  for (std::size_t g = 0; g < groups; ++g) {
    const GroupSums& s = measured[g];
    const std::string name = "group " + std::to_string(g);
    add(name,
        std::vector<std::pair<double, const char*>>{
            {s.weight, "weight"}, {s.score_sum, "score_sum"}, {s.target_sum, "target_sum"}, {s.loss_sum, "loss_sum"}});
    add(name, std::vector<std::pair<std::int64_t, const char*>>{
                  {s.count, "count"}, {s.positives, "positives"}, {s.chosen, "chosen"}, {s.hits, "hits"}});
  }
  return outcome;
}

}  // namespace

std::vector<Group> penalty_groups(Size size) {
  std::vector<Group> groups;
  Penalties::for_each([&]<class P>() {
    const PenaltyPlan plan(P{}, size);
    Group& group = groups.emplace_back();
    group.name = "penalty " + std::string(P::name);
    group.kind = "penalty";
    group.space = plan.space();
    group.prepare = [plan, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
      return [in = make_inputs(plan, levels, name + ": " + space.text(levels))](Backend& b) { return run_case(b, in); };
    };
    group.limits = [](const Levels& l) { return limits_of(l[kPenaltyBlocks], l[kPenaltyThreads], 0, 0); };
  });
  return groups;
}

}  // namespace fuselage::cases
