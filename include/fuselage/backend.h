// One interface for every device. A backend owns its queues, its scratch memory and nothing of the caller's.
//
// Work is enqueued: a call returns when it is queued, and results are there after synchronize() or a wait for an event.
// On the CPU backend a call returns when it is done, and device memory is host memory. A backend is used by one thread
// at a time. Calls check their arguments before they queue anything, and throw Error; what the device finds (bad
// labels, values that are not finite) is in reports, never an exception from a queued call. After the first step with
// given shapes nothing here allocates, and nothing waits for the device but the calls that say so.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/activations.h"
#include "fuselage/batch.h"
#include "fuselage/batch_triplet.h"
#include "fuselage/episodes.h"
#include "fuselage/fairness.h"
#include "fuselage/losses.h"
#include "fuselage/memory.h"
#include "fuselage/optimizers.h"
#include "fuselage/pair_pass.h"
#include "fuselage/schedules.h"
#include "fuselage/term_pass.h"
#include "fuselage/update_pass.h"

namespace fuselage {

class CustomLoss;

/// A tensor that an optimizer moves: views of device memory, packed, all of `size` elements. State is fp32, +0 at
/// first.
struct Parameter {
  std::string name;                     ///< for messages and files
  void* value = nullptr;                ///< `dtype`
  const void* gradient = nullptr;       ///< `dtype`
  float* state[optim::kMaxSlots] = {};  ///< those that the group's rule uses: slots_used_by()
  std::int64_t size = 0;
  DType dtype = DType::f32;
  int group = 0;           ///< which of the groups it belongs to
  double* kept = nullptr;  ///< one number, where keeps_a_number(); 0 at first
};

/// Which state values the rule uses with its fields as they are: bit k for value k.
unsigned slots_used_by(const AnyOptimizer& rule);
/// Whether the rule keeps a number for each tensor.
bool keeps_a_number(const AnyOptimizer& rule);
/// Whether the rule keeps numbers for a group.
bool has_memory(const AnyOptimizer& rule);

/// The parameters of an optimizer as a backend wants them: checked, and laid out once.
class ParameterSet {
 public:
  virtual ~ParameterSet() = default;

 private:
  friend class Backend;
  std::vector<ParameterGroup> groups_;  ///< as they were bound or set last
};

/// A point in a queue's work.
class Event {
 public:
  virtual ~Event() = default;
};

/// Work captured once and replayed by a single call.
class Graph {
 public:
  virtual ~Graph() = default;
};

/// A product C = alpha op(A) op(B), or C += alpha op(A) op(B), of packed row-major fp32 matrices: C is [m, n], op(A)
/// [m, k], op(B) [k, n].
struct Product {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  float alpha = 1;
  bool accumulate = false;  ///< adds to what C holds
};

class Backend {
 public:
  enum class Queue { compute, copy };

  virtual ~Backend() = default;

  /// "cpu", or cuda_device_name().
  virtual std::string_view device() const = 0;
  /// One line for people: the device, what of it is used.
  virtual std::string description() const = 0;
  /// Whether the host may read and write device memory.
  virtual bool host_accessible() const = 0;

  // ---- memory ----
  virtual void* allocate(std::size_t bytes, Buffer::Kind kind) = 0;
  virtual void release(void* data, Buffer::Kind kind) noexcept = 0;
  /// Copies `bytes` in the queue, between any two of device memory, pinned memory and (then the call may wait) the
  /// host's ordinary memory.
  virtual void copy(void* to, const void* from, std::size_t bytes, Queue queue = Queue::compute) = 0;
  virtual void zero(void* data, std::size_t bytes, Queue queue = Queue::compute) = 0;

  // ---- order ----
  /// `timed` events can be asked for seconds_between(); the others are cheaper.
  virtual std::unique_ptr<Event> make_event(bool timed = false) = 0;
  /// Marks all work that is in the queue now.
  virtual void record(Event& event, Queue queue = Queue::compute) = 0;
  /// Later work of the queue waits for the event.
  virtual void wait(Event& event, Queue queue = Queue::compute) = 0;
  /// The host waits for the event.
  virtual void synchronize(Event& event) = 0;
  /// The host waits for all queues.
  virtual void synchronize() = 0;
  /// Seconds that the device spent between two timed events, recorded in one queue; the host waits for both.
  virtual double seconds_between(Event& first, Event& second) = 0;
  /// Whether capture() works.
  virtual bool can_capture() const = 0;
  /// Between begin and end, work of the compute queue is recorded, not run.
  virtual void begin_capture() = 0;
  virtual std::unique_ptr<Graph> end_capture() = 0;
  virtual void replay(Graph& graph) = 0;

  // ---- training ----
  /// Value, gradient and report in one pass over the predictions. `report` is device memory.
  void loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report);
  /// The same for a loss of one's own (custom_loss.h).
  void loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report);
  /// A penalty on what separates groups of rows, or an objective over their losses (fairness.h), with its gradient.
  /// `report` is device memory: value, weight_sum, count, bad labels and weights, nonfinite and rejected.
  void penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report);
  /// What there is to know of each group: `sums` [batch.groups] and `report`, which may be null, are device memory. Of
  /// the batch, `gradient`, `q` and what belongs to them is not looked at.
  void group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums, LossReport* report = nullptr);
  /// Losses of the triplets among the rows of a batch, with their gradient (batch_triplet.h); takes memory for two
  /// numbers of each pair of rows, or throws Error(out_of_memory). `report` is device memory: count is that of the
  /// triplets, correct that of those whose loss is 0.
  void batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report);
  /// Adds to a report what another pass of the same step found (join_report()), so that it can gate an update for
  /// both; both are device memory.
  void join(LossReport* to, const LossReport* from);
  /// Returns of every step of `episodes.reward` (episodes.h). `report` is device memory, and may be null.
  void discounted_returns(const Episodes& episodes, EpisodesReport* report = nullptr);
  /// Generalised advantage estimates, and returns where they are asked for. `report` as above.
  void gae(const Episodes& episodes, EpisodesReport* report = nullptr);
  /// Checks parameters, groups and options (names, sizes, overlaps, fields) and lays them out for update().
  std::unique_ptr<ParameterSet> bind(std::span<const Parameter> parameters, std::span<const ParameterGroup> groups,
                                     const GradientOptions& gradient = {});
  /// One group for all.
  std::unique_ptr<ParameterSet> bind(std::span<const Parameter> parameters, const ParameterGroup& group,
                                     const GradientOptions& gradient = {}) {
    return bind(parameters, std::span(&group, 1), gradient);
  }
  /// Gives a set's groups other numbers, for updates queued from now on and for replays of captured ones: the rules and
  /// the state values that they use must be those that the set was bound with. Not while a capture is under way.
  void set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups);
  /// One step of every parameter in place: step += 1, and for each group lr = rule.lr * the schedule's factor.
  /// Where `gate` reports bad labels or values that are not finite, nothing changes but state->skipped and the loss
  /// scale; likewise where the set's GradientOptions find that a gradient is not finite. `state`, `groups` (one for
  /// each group of the set) and `gate` are device memory; gate may be null. With a loss scale, state->loss_scale is
  /// what the loss was multiplied by: the caller sets it at first, and hands it to the loss as LossBatch::upstream.
  void update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate);

  /// Tells the plateaus of the set's schedules what was measured: `value` is a number in device memory, as a report's
  /// value is. It acts on later updates; a group without a plateau, or a frozen one, stays as it is. Nothing waits.
  void observe(ParameterSet& parameters, GroupState* groups, const double* value);

  /// Sums over the values of a set's parameters, for the penalties that an update applies; `norms` is device memory.
  virtual void norms(ParameterSet& parameters, ParameterNorms* norms) = 0;

  // ---- sums of losses, for CombinedLoss (combination.h) ----
  /// factors[i] = term_factor(i); `log_variances` may be null. Device memory.
  virtual void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors) = 0;
  /// total_of() the terms' reports. Device memory.
  virtual void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
                         float* log_variance_gradient, float scale, LossReport* total) = 0;
  /// sum += from, elements of one type; sums that are not finite, of finite numbers, are added to report->nonfinite.
  virtual void add(const View& sum, const ConstView& from, LossReport* report) = 0;

  // ---- losses over all pairs of rows, for InfoNceLoss (info_nce.h) ----
  virtual void pair_step(const PairStep& step) = 0;

  // ---- layers ----
  virtual void product(const Product& product) = 0;
  /// a = activation(z + bias) for z [rows, cols], bias [cols]. Where the activation needs its input, z becomes z +
  /// bias; otherwise z and a may be the same memory, and z is not written unless they are.
  virtual void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z,
                               const float* bias, float* a) = 0;
  /// dz = da * slope, in place in `da`; bias_gradient[c] = sum over rows of dz, in the canonical order of columns.
  virtual void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols,
                                        const float* z, const float* a, float* da, float* bias_gradient) = 0;

 protected:
  virtual void run_loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) = 0;
  virtual void run_custom_loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) = 0;
  virtual void run_penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) = 0;
  virtual void run_group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums,
                              LossReport* report) = 0;
  virtual void run_batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report) = 0;
  virtual void run_join(LossReport* to, const LossReport* from) = 0;
  /// `advantages`: gae.
  virtual void run_episodes(const Episodes& episodes, bool advantages, EpisodesReport* report) = 0;
  /// `parameters` have null in place of state that is not used.
  virtual std::unique_ptr<ParameterSet> run_bind(std::span<const Parameter> parameters,
                                                 std::span<const ParameterGroup> groups,
                                                 const GradientOptions& gradient) = 0;
  virtual void run_set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups) = 0;
  virtual void run_update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) = 0;
  virtual void run_observe(ParameterSet& parameters, GroupState* groups, const double* value) = 0;
};

/// Memory that fair_loss() keeps between calls, of the backend that it is called with; it grows to the largest batch.
struct FairScratch {
  Buffer values, reports;
};

/// bounded_group_loss or group_dro of a loss: its value for each row, the penalty's coefficients from these, and where
/// batch.gradient is given the loss's gradient with them, in place of batch.reduction. The loss has one output for each
/// row. Of `groups`, `group`, `groups` and `q` are looked at, and all else comes from the batch. `report` is device
/// memory: the penalty's, joined with those of the loss's passes; where one of them found something bad q stays. Class
/// weights multiply losses and are no part of the groups' weights. BadLabels::ignore needs integer labels, and steps of
/// sequences are left out by a mask, not by lengths. Nothing waits for the device.
void fair_loss(Backend& backend, const AnyLoss& loss, const LossBatch& batch, const AnyPenalty& penalty,
               const GroupBatch& groups, FairScratch& scratch, LossReport* report);

/// Options of the CPU backend.
struct CpuOptions {
  int threads = 0;     ///< 0: as many as the machine offers this process
  std::string target;  ///< "portable", "avx2", "avx512"; empty: the best that the processor has
};

/// The names of the instruction sets that this build has and this processor can run, the best first.
std::vector<std::string> cpu_targets();

/// Always works.
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options = {});

/// Device `ordinal`; throws Error(no_device) that says what was found and what to install.
std::unique_ptr<Backend> make_cuda_backend(int ordinal = 0);

/// What CUDA devices are called: "cuda". Builds for tests may have another device in its place. Asks no driver.
std::string_view cuda_device_name();

/// Why CUDA can or cannot be used here: what was built, what was found.
struct CudaStatus {
  std::string device = std::string(cuda_device_name());
  bool built = false;   ///< the library has CUDA code
  bool usable = false;  ///< and a device that it can run on
  std::string text;     ///< one line for people
  std::vector<std::string> devices, architectures;
  std::string runtime, driver;
};
CudaStatus cuda_status();

/// What make_backend() takes, for messages: "auto, cpu, cuda, cuda:N".
std::string known_devices();

/// "cpu", "cuda", "cuda:1", or "auto": CUDA where it is usable, else the CPU. `why` receives one line that says which
/// device was taken and why.
std::unique_ptr<Backend> make_backend(std::string_view device, std::string* why = nullptr, int threads = 0);

/// Throws Error(bad_label) or Error(non_finite) when a report says so and the policy is to raise.
void check_report(const LossReport& report, BadLabels policy, bool raise_non_finite);
/// Throws Error(non_finite) when a step has stopped because a gradient was not finite.
void check_step(const StepState& state);

}  // namespace fuselage
