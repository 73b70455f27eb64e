// Levels of the cases of losses, and which of them can stand together.
#include "tests/cases/loss_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/cases/settings.h"

namespace fuselage::cases {
namespace {

constexpr std::int64_t kSmallCase = 10000;  ///< elements

// Sizes around the widths of vectors (4, 8), tiles (32, 256), chunks (4,096), blocks of warps that take chunks, and of
// grids that walk on. Nothing here has more chunks than one sequence of sums takes in (4,096 of them: 16.8 million
// elements). The plain one, in which options stand alone, has a whole tile, which goes a shorter way, and a tail.
constexpr Shape kPointwiseShapes[] = {{33, 9},   {0, 3},    {3, 0},     {1, 1},   {1, 4},    {7, 1},
                                      {1, 8},    {3, 3},    {31, 1},    {4, 8},   {3, 11},   {1, 255},
                                      {16, 16},  {257, 1},  {15, 273},  {64, 64}, {17, 241}, {1, 8191},
                                      {2, 4096}, {3, 2731}, {20011, 1}, {7, 7200}};
// Rows of one thread (to 32 classes), of one warp (to 4,096), of a block, and longer than shared memory has room for;
// few rows and more than a block or three take; and so many that their sums are more than one sequence.
constexpr Shape kRowShapes[] = {{5, 10},    {0, 10},    {0, 0},     {1, 1},    {5, 1},    {129, 2},  {300, 3},
                                {127, 7},   {128, 8},   {33, 9},    {257, 10}, {40, 31},  {130, 32}, {5, 33},
                                {29, 40},   {3, 64},    {9, 255},   {4, 256},  {7, 257},  {2, 1000}, {5, 4095},
                                {3, 4096},  {2, 4097},  {5, 4097},  {2, 8191}, {1, 8192}, {3, 8193}, {2, 12289},
                                {2, 12288}, {1, 32768}, {2, 32769}, {4097, 1}, {8193, 2}, {66000, 1}};

std::vector<Layout> chosen(bool plain, std::vector<Layout> plain_layouts, std::vector<Layout> all) {
  return plain ? std::move(plain_layouts) : std::move(all);
}

Factor choice(std::string name, std::vector<std::string> levels, std::size_t count) {
  levels.resize(count);
  return {std::move(name), std::move(levels)};
}

}  // namespace

std::string text_of(Shape shape) { return fmt::format("[{}, {}]", shape.rows, shape.cols); }

LossPlan::LossPlan(const AnyLoss& entry, DType type, Size size, bool plain) : dtype(type) {
  std::visit(
      [&]<class L>(const L& l) {
        traits = validate::input_traits(l);
        row = !traits.elementwise;
        classes = row && traits.of_classes();
        softmax = loss::SoftmaxRow<L>;
        gradients = loss::inputs_of<L>().second_has_gradient ? traits.inputs : 1;
        using enum Reduction;
        reductions = {mean, sum, mean_over_batch, none, mean_over_outputs, mean_over_counted};
        if (loss::takes_root<L>()) std::erase(reductions, none);
      },
      entry);
  settings = settings_of(entry);
  const auto take = [&](const auto& list) {
    for (const Shape& s : list)
      if (size == Size::full || s.rows * s.cols <= kSmallCase) shapes.push_back(s);
  };
  if (size == Size::beyond_a_sequence)
    shapes = {row ? Shape{4096 * 4096 + 1, 1} : Shape{4097, 4096}};
  else
    row ? take(kRowShapes) : take(kPointwiseShapes);
  const RowTarget kind = traits.row_target;
  if (classes) targets = {DType::i64, DType::u8, DType::i8, DType::i16, DType::i32};
  if (row && kind == RowTarget::single) targets = {DType::i64, DType::i8};
  if (!row || (kind != RowTarget::labels && kind != RowTarget::none)) {
    targets.push_back(type);
    if (type != DType::f32 && (row || !plain)) targets.push_back(DType::f32);
  }
  if (row && kind == RowTarget::none) targets = {type};
  given = plain && !row ? std::vector{Given::none} : std::vector{Given::none, Given::row};
  if (!plain && !row) given.push_back(Given::element);
  upstream = {Upstream::none, Upstream::one};
  if ((!plain || row) && std::ranges::count(reductions, Reduction::none) > 0) upstream.push_back(Upstream::each);
  class_weight = classes ? std::vector{false, true} : std::vector{false};
  lengths = row ? std::vector{Lengths::none, Lengths::i32, Lengths::i64} : std::vector{Lengths::none};
  using enum Layout;
  const auto lined_up = row ? std::vector{packed, pitched} : std::vector{packed};
  matrix = chosen(plain, lined_up, {packed, shifted, padded, pitched, columns, spaced, broadcast});
  output = chosen(plain, lined_up, {packed, shifted, padded, pitched, columns, spaced});
  // Further inputs of losses of rows are not images with channels; nor are constants of rows.
  second_matrix = traits.inputs > 1 ? matrix : std::vector{packed};
  if (row && !plain) {
    matrix.push_back(blocks);
    output.push_back(blocks);
  }
  target_matrix = matrix;
  vector = chosen(plain, {packed}, {packed, shifted, spaced, broadcast});
}

namespace {

/// Whether chosen levels contradict each other. What a case does not have has no layout; that of a gradient in place is
/// the prediction's, which then may not be broadcast; only Reduction::none has an upstream gradient for each output;
/// and a label of type u8 that is no class needs fewer than 256 classes.
bool possible(const LossPlan& plan, const Levels& levels) {
  const auto is = [&](LossFactor factor, int level) { return levels[factor] == level; };
  const auto placed = [&](LossFactor factor) { return levels[factor] > 0; };
  for (const auto& [what, layout] : {std::pair{kWeight, kWeightLayout},
                                     {kMask, kMaskLayout},
                                     {kClassWeight, kClassWeightLayout},
                                     {kUpstream, kUpstreamLayout},
                                     {kValues, kValuesLayout}})
    if (is(what, 0) && placed(layout)) return false;
  if (placed(kGradient) && placed(kGradientLayout)) return false;
  const int prediction = levels[kPredictionLayout];
  if (is(kGradient, static_cast<int>(Gradient::in_place)) && prediction != kOpen &&
      plan.matrix[static_cast<std::size_t>(prediction)] == Layout::broadcast)
    return false;
  const int second = levels[kSecondLayout];
  if (is(kGradient, static_cast<int>(Gradient::in_place)) && plan.gradients > 1 && second != kOpen &&
      plan.second_matrix[static_cast<std::size_t>(second)] == Layout::broadcast)
    return false;
  const bool reduced = levels[kReduction] != kOpen;
  const Reduction reduction = reduced ? LossPlan::level(plan.reductions, levels, kReduction) : Reduction::none;
  if (is(kUpstream, static_cast<int>(Upstream::each)) && reduced && reduction != Reduction::none) return false;
  if (is(kUpstream, static_cast<int>(Upstream::each)) && is(kDivisor, 1)) return false;
  if (is(kDivisor, 1) && reduced && (reduction == Reduction::none || reduction == Reduction::sum)) return false;
  if (is(kSpecial, static_cast<int>(Special::bad_targets)) && levels[kTarget] != kOpen && levels[kShape] != kOpen &&
      LossPlan::level(plan.targets, levels, kTarget) == DType::u8 &&
      LossPlan::level(plan.shapes, levels, kShape).cols > 255)
    return false;
  return true;
}

}  // namespace

Space LossPlan::space() const {
  const auto type_text = [&](DType type) {
    return std::string(name_of(type)) + (row && is_real(type) ? " for each class" : "");
  };
  Space space;
  space.factors = {factor_of("shape", shapes, text_of),
                   factor_of("setting", settings, [](const AnyLoss& l) { return Losses::to_string(l); }),
                   factor_of("target", targets, type_text),
                   factor_of("reduction", reductions, [](Reduction r) { return std::string(name_of(r)); }),
                   choice("weight", {"none", "of rows", "of elements"}, given.size()),
                   choice("mask", {"none", "of rows", "of elements"}, given.size()),
                   choice("class weight", {"none", "given"}, class_weight.size()),
                   choice("upstream", {"none", "one", "each"}, upstream.size()),
                   {"scale", {"1", "1024"}},
                   {"bad labels", {"error", "ignore"}},
                   {"gradient", {"out of place", "none", "in place"}},
                   {"values", {"none", "given"}},
                   {"metrics", {"none", "accuracy", row ? "top 3" : "errors and targets", "all"}},
                   {"numbers", {"ordinary", "not finite", "extreme", "bad targets", "bad weights"}},
                   {"divisor", {"own", "given"}},
                   choice("lengths", {"none", "i32", "i64"}, lengths.size()),
                   layouts_of("prediction", matrix),
                   layouts_of("second", second_matrix),
                   layouts_of("target in memory", target_matrix),
                   layouts_of("weight in memory", vector),
                   layouts_of("mask in memory", vector),
                   layouts_of("class weight in memory", class_weight.size() > 1 ? vector : std::vector{Layout::packed}),
                   layouts_of("upstream in memory", vector),
                   layouts_of("gradient in memory", output),
                   layouts_of("values in memory", output)};
  for (Factor& factor : limit_factors(true)) space.factors.push_back(std::move(factor));
  space.possible = [plan = *this](const Levels& levels) { return possible(plan, levels); };
  return space;
}

std::string LossPlan::kind() const {
  const bool root = std::ranges::count(reductions, Reduction::none) == 0;
  return fmt::format("{} of {} inputs, {} gradients{}{}, target {}",
                     softmax ? "softmax"
                     : row   ? "rows"
                             : "elements",
                     traits.inputs, gradients, root ? ", root" : "", traits.of_logits ? ", of logits" : "",
                     static_cast<int>(traits.row_target));
}

}  // namespace fuselage::cases
