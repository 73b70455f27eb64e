// Discounted returns and advantages as cases.
#include "tests/cases/image.h"
#include "tests/cases/loss_plan.h"

namespace fuselage::cases {
namespace {

enum EpisodeFactor : std::size_t {
  kEpisodeShape,
  kEpisodeLayout,
  kEpisodeOutput,
  kEpisodeOptions,
  kEpisodeLength,
  kEpisodeNumbers,
  kDiscount,
  kEpisodeReport,
  kEpisodeBlocks,
  kEpisodeThreads
};

// Around the threads of a block and the sequences that one task of the CPU walks side by side.
constexpr Shape kEpisodeShapes[] = {{3, 5},  {0, 4},  {4, 0},   {1, 1},   {1, 70},  {31, 3},
                                    {64, 9}, {65, 2}, {129, 7}, {300, 4}, {1000, 3}};
constexpr struct { double gamma, lambda; } kDiscounts[] = {{0.99, 0.95}, {1, 1}, {0, 0}, {0.9, 0}, {0.5, 1}};

struct EpisodeInputs {
  bool advantages, in_place, report;
  double gamma, lambda;
  Image reward, value, done, bootstrap, length, returns, advantage;
};

Space episode_space(bool advantages) {
  Space space;
  const std::vector<Shape> shapes(std::begin(kEpisodeShapes), std::end(kEpisodeShapes));
  space.factors = {factor_of("shape", shapes, text_of),
                   layouts_of("layout", {Layout::packed, Layout::columns, Layout::padded, Layout::spaced}),
                   {"outputs", {"elsewhere", "in place"}},
                   {"options", {"all", "no done", "no bootstrap", "none"}},
                   {"lengths", {"none", "i64", "i32", "u8", "some bad"}},
                   {"numbers", {"ordinary", "not finite", "extreme"}},
                   {"discount", {"usual", "1, 1", "0, 0", "0.9, 0", "0.5, 1"}},
                   {"report", {"asked for", "none"}}};
  if (advantages) space.factors[kEpisodeOutput].levels.push_back("advantages alone");
  for (Factor& factor : limit_factors(false)) space.factors.push_back(std::move(factor));
  return space;
}

EpisodeInputs make_inputs(bool advantages, const Levels& levels, const std::string& words) {
  const auto [rows, cols] = kEpisodeShapes[levels[kEpisodeShape]];
  constexpr Layout layouts[] = {Layout::packed, Layout::columns, Layout::padded, Layout::spaced};
  const Layout layout = layouts[levels[kEpisodeLayout]];
  const auto [gamma, lambda] = kDiscounts[levels[kDiscount]];
  const Noise noise(words);
  const auto fill = [&](Image image, std::uint32_t stream) {
    for (std::int64_t r = 0; r < image.rows(); ++r)
      for (std::int64_t c = 0; c < image.cols(); ++c) {
        const std::uint32_t word = noise.word(stream, r * image.cols() + c);
        float x = 4 * (uniform(word) - 0.5f);
        if (levels[kEpisodeNumbers] == 1 && word % 41 == 0) x = not_finite(word >> 8);
        if (levels[kEpisodeNumbers] == 2 && word % 3 == 0) x = extreme(word >> 5);
        image.set(r, c, x);
      }
    return image;
  };
  EpisodeInputs in{
      advantages, levels[kEpisodeOutput] == 1, levels[kEpisodeReport] == 0, gamma, lambda, {}, {}, {}, {}, {}, {}, {}};
  const auto floats = [&](Layout where) { return Image::output(DType::f32, rows, cols, where); };
  in.reward = fill(floats(layout), 0);
  if (advantages) in.value = fill(floats(layout), 1);
  const int options = levels[kEpisodeOptions];
  if (options == 0 || options == 2) {
    in.done = Image::input(DType::u8, rows, cols, layout);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) in.done.set_label(r, c, noise.word(2, r * cols + c) % 5 == 0);
  }
  if (options < 2) in.bootstrap = fill(Image::input(DType::f32, rows, 1, Layout::packed), 3);
  if (levels[kEpisodeLength] > 0) {
    constexpr DType types[] = {DType::i64, DType::i64, DType::i32, DType::u8, DType::i16};
    in.length = Image::input(types[levels[kEpisodeLength]], rows, 1, Layout::padded);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint32_t word = noise.word(4, r);
      const bool bad = levels[kEpisodeLength] == 4 && word % 7 == 3;
      in.length.set_label(r, 0,
                          bad ? (word % 2 ? -1 - r % 5 : cols + 1) : word / 8 % static_cast<std::uint32_t>(cols + 1));
    }
  }
  if (!in.in_place) {
    if (advantages) in.advantage = floats(Layout::packed);
    if (levels[kEpisodeOutput] == 0) in.returns = floats(layout);
  }
  return in;
}

Outcome run_case(Backend& backend, const EpisodeInputs& in) {
  const Placed reward(backend, in.reward), value(backend, in.value), done(backend, in.done),
      bootstrap(backend, in.bootstrap), length(backend, in.length), returns(backend, in.returns),
      advantage(backend, in.advantage);
  const Buffer report(backend, sizeof(EpisodesReport));
  Episodes e;
  e.reward = reward.view();
  e.value = value.view();
  e.done = done.view();
  e.bootstrap = bootstrap.view();
  e.length = length.view();
  e.returns = in.in_place && !in.advantages ? reward.view() : in.in_place ? value.view() : returns.view();
  e.advantage = in.in_place && in.advantages ? reward.view() : advantage.view();
  e.gamma = in.gamma;
  e.lambda = in.lambda;
  auto* const found = in.report ? report.as<EpisodesReport>() : nullptr;
  in.advantages ? backend.gae(e, found) : backend.discounted_returns(e, found);
  Outcome outcome;
  outcome.parts.push_back(reward.fetch("reward"));
  for (const auto& [placed, name] : {std::pair{&value, "value"}, {&returns, "returns"}, {&advantage, "advantage"}})
    if (placed->view().rows > 0) outcome.parts.push_back(placed->fetch(name));
  if (!in.report) return outcome;
  EpisodesReport r;
  backend.copy(&r, report.data(), sizeof r);
  backend.synchronize();
  for (const auto& [x, name] : {std::pair{r.steps, "steps"},
                                {r.bad_lengths, "bad_lengths"},
                                {r.first_bad_sequence, "first_bad_sequence"},
                                {r.first_bad_length, "first_bad_length"},
                                {r.nonfinite, "nonfinite"}})
    outcome.parts.push_back(Part::number("report." + std::string(name), x));
  return outcome;
}

}  // namespace

std::vector<Group> episode_groups(Size) {
  std::vector<Group> groups;
  for (const bool advantages : {false, true}) {
    Group& group = groups.emplace_back();
    group.name = advantages ? "episodes gae" : "episodes discounted_returns";
    group.kind = group.name;
    group.own_kernels = true;
    group.space = episode_space(advantages);
    group.prepare = [advantages, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
      return [in = make_inputs(advantages, levels, name + ": " + space.text(levels))](Backend& b) {
        return run_case(b, in);
      };
    };
    group.limits = [](const Levels& l) { return limits_of(l[kEpisodeBlocks], l[kEpisodeThreads], 0, 0); };
  }
  return groups;
}

}  // namespace fuselage::cases
