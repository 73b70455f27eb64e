// The CPU backend behind hooks: a test plants a fault in what it gives.
#pragma once

#include <functional>
#include <memory>

#include "fuselage/backend.h"

namespace fuselage::test {

class WrappedBackend : public Backend {
 public:
  std::function<void(const LossBatch&, LossReport&)> after_loss;
  std::function<void(StepState&)> after_update;

  std::string_view device() const override { return inner_->device(); }
  std::string description() const override { return inner_->description(); }
  bool host_accessible() const override { return true; }
  void* allocate(std::size_t bytes, Buffer::Kind kind) override { return inner_->allocate(bytes, kind); }
  void release(void* data, Buffer::Kind kind) noexcept override { inner_->release(data, kind); }
  void copy(void* to, const void* from, std::size_t bytes, Queue queue) override {
    inner_->copy(to, from, bytes, queue);
  }
  void zero(void* data, std::size_t bytes, Queue queue) override { inner_->zero(data, bytes, queue); }
  std::unique_ptr<Event> make_event(bool timed) override { return inner_->make_event(timed); }
  void record(Event& event, Queue queue) override { inner_->record(event, queue); }
  void wait(Event& event, Queue queue) override { inner_->wait(event, queue); }
  void synchronize(Event& event) override { inner_->synchronize(event); }
  double seconds_between(Event& first, Event& second) override { return inner_->seconds_between(first, second); }
  void synchronize() override { inner_->synchronize(); }
  bool can_capture() const override { return false; }
  void begin_capture() override { inner_->begin_capture(); }
  std::unique_ptr<Graph> end_capture() override { return inner_->end_capture(); }
  void replay(Graph& graph) override { inner_->replay(graph); }
  void norms(ParameterSet& parameters, ParameterNorms* norms) override { inner_->norms(parameters, norms); }
  void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors) override {
    inner_->weigh_terms(terms, log_variances, factors);
  }
  void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
                 float* log_variance_gradient, float scale, LossReport* total) override {
    inner_->add_terms(terms, reports, log_variances, log_variance_gradient, scale, total);
  }
  void add(const View& sum, const ConstView& from, LossReport* report) override { inner_->add(sum, from, report); }
  void pair_step(const PairStep& step) override { inner_->pair_step(step); }
  void product(const Product& product) override { inner_->product(product); }
  void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z,
                       const float* bias, float* a) override {
    inner_->bias_activation(activation, rows, cols, z, bias, a);
  }
  void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, const float* z,
                                const float* a, float* da, float* bias_gradient) override {
    inner_->bias_activation_backward(activation, rows, cols, z, a, da, bias_gradient);
  }

 protected:
  void run_loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) override {
    inner_->loss(loss, batch, report);
    if (after_loss) after_loss(batch, *report);
  }
  void run_custom_loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) override {
    inner_->loss(loss, batch, report);
  }
  void run_penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) override {
    inner_->penalty(penalty, batch, report);
  }
  void run_group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums,
                      LossReport* report) override {
    inner_->group_sums(measure, batch, sums, report);
  }
  void run_batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report) override {
    inner_->batch_triplet(spec, batch, report);
  }
  void run_join(LossReport* to, const LossReport* from) override { inner_->join(to, from); }
  void run_episodes(const Episodes& episodes, bool advantages, EpisodesReport* report) override {
    advantages ? inner_->gae(episodes, report) : inner_->discounted_returns(episodes, report);
  }
  std::unique_ptr<ParameterSet> run_bind(std::span<const Parameter> parameters, std::span<const ParameterGroup> groups,
                                         const GradientOptions& gradient) override {
    return inner_->bind(parameters, groups, gradient);
  }
  void run_set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups) override {
    inner_->set_groups(parameters, groups);
  }
  void run_observe(ParameterSet& parameters, GroupState* groups, const double* value) override {
    inner_->observe(parameters, groups, value);
  }
  void run_update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) override {
    inner_->update(parameters, state, groups, gate);
    if (after_update) after_update(*state);
  }

 private:
  std::unique_ptr<Backend> inner_ = make_backend("cpu", nullptr, 1);
};

}  // namespace fuselage::test
