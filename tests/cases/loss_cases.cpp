// Loss passes as cases.
#include "tests/cases/loss_plan.h"

namespace fuselage::cases {
namespace {

/// The report, what was written, and the inputs, which must be as they were.
Outcome run_loss(Backend& backend, const LossInputs& in) {
  const Placed prediction(backend, in.prediction), second(backend, in.second), third(backend, in.third),
      target(backend, in.target), weight(backend, in.weight), mask(backend, in.mask), lengths(backend, in.lengths),
      class_weight(backend, in.class_weight), upstream(backend, in.upstream), gradient(backend, in.gradient),
      second_gradient(backend, in.second_gradient), third_gradient(backend, in.third_gradient),
      values(backend, in.values), confusion(backend, in.confusion), calibration(backend, in.calibration);
  const Buffer report(backend, sizeof(LossReport));
  LossBatch batch = in.options;
  batch.prediction = prediction.view();
  batch.second = second.view();
  batch.third = third.view();
  batch.target = target.view();
  batch.weight = weight.view();
  batch.mask = mask.view();
  batch.lengths = lengths.view();
  batch.class_weight = class_weight.view();
  batch.upstream = upstream.view();
  batch.gradient = in.in_place ? prediction.view() : gradient.view();
  batch.second_gradient = in.in_place && in.gradients > 1 ? second.view() : second_gradient.view();
  batch.third_gradient = in.in_place && in.gradients > 2 ? third.view() : third_gradient.view();
  batch.metrics.confusion = confusion.view();
  batch.metrics.calibration = calibration.view();
  batch.values = values.view();
  backend.loss(in.loss, batch, report.as<LossReport>());

  LossReport found;
  backend.copy(&found, report.data(), sizeof found);
  backend.synchronize();
  Outcome outcome;
  add_report(found, outcome);
  const auto fetch = [&](const Placed& placed, const Image& image, const char* name) {
    if (image.given()) outcome.parts.push_back(placed.fetch(name));
  };
  fetch(gradient, in.gradient, "gradient");
  fetch(values, in.values, "values");
  fetch(prediction, in.prediction, in.in_place ? "gradient in place" : "prediction");
  fetch(second_gradient, in.second_gradient, "second gradient");
  fetch(third_gradient, in.third_gradient, "third gradient");
  fetch(second, in.second, in.in_place && in.gradients > 1 ? "second gradient in place" : "second");
  fetch(third, in.third, in.in_place && in.gradients > 2 ? "third gradient in place" : "third");
  fetch(confusion, in.confusion, "confusion");
  fetch(calibration, in.calibration, "calibration");
  fetch(target, in.target, "target");
  fetch(lengths, in.lengths, "lengths");
  fetch(weight, in.weight, "weight");
  fetch(mask, in.mask, "mask");
  fetch(class_weight, in.class_weight, "class weight");
  fetch(upstream, in.upstream, "upstream");
  return outcome;
}

Group loss_group(const AnyLoss& entry, DType type, Size size, bool plain) {
  const LossPlan plan(entry, type, size, plain);
  Group group;
  const std::string name = "loss " + std::string(Losses::name_of(entry)), variant = plain ? " plain" : "";
  group.name = name + " " + std::string(name_of(type)) + variant;
  group.entry = name + variant;
  group.kind = plan.kind() + variant;
  group.own_kernels = plan.softmax;
  group.space = plan.space();
  group.prepare = [plan, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
    return [inputs = make_inputs(plan, levels, name + ": " + space.text(levels))](Backend& backend) {
      return run_loss(backend, inputs);
    };
  };
  group.limits = [](const Levels& l) { return limits_of(l[kBlocks], l[kThreads], l[kShared], l[kSums]); };
  return group;
}

}  // namespace

std::vector<Group> loss_groups(Size size) {
  std::vector<Group> groups;
  Losses::for_each([&]<class L>() {
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      for (const bool plain : {false, true}) groups.push_back(loss_group(L{}, type, size, plain));
  });
  return groups;
}

}  // namespace fuselage::cases
