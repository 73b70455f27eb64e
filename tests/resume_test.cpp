// A run that is killed and resumed ends with the same bits as one that was left alone. The runs are children of this
// program: itself, called with the one test that is a run. Leaving out any piece of the state must show.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <thread>

#include "fuselage/core/rng.h"
#include "fuselage/train.h"
#include "tests/support/files.h"
#include "tests/support/tiny_data.h"

namespace fuselage {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

constexpr const char* kFolderVariable = "FUSELAGE_RESUME_TEST_RUN";

const Dataset& samples() {
  static const Dataset data = testing::blobs(500);
  return data;
}

Trainer make_trainer(Backend& backend) {
  return Trainer(backend, {2, {{12, "gelu"}, {3}}, Init::he, 1}, "softmax_cross_entropy:label_smoothing=0.05",
                 "adamw:lr=1e-2", "cosine:warmup=5", {"accuracy"});
}

FitOptions options_for(const fs::path& folder) {
  FitOptions options;
  options.epochs = 12;
  options.batch_size = 32;
  options.seed = 7;
  options.validation = &samples();
  options.checkpoint = folder;
  options.checkpoint_every = 2;
  return options;
}

/// Begins or resumes the run in this folder.
void run_in(const fs::path& folder) {
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer trainer = make_trainer(*backend);
  if (fs::exists(folder / "checkpoint.json")) trainer.restore(load_checkpoint(folder));
  trainer.fit(samples(), options_for(folder));
}

/// What a run must share with the run that was left alone; empty when it does.
std::string difference(const Checkpoint& a, const Checkpoint& b) {
  if (a.step != b.step || a.skipped != b.skipped || a.lr != b.lr || a.at != b.at) return "progress";
  if (a.history.size() != b.history.size()) return "length of the history";
  for (std::size_t i = 0; i < a.history.size(); ++i)
    if (!a.history[i].same_numbers(b.history[i])) return "history of epoch " + std::to_string(i + 1);
  for (const auto& [name, array] : a.tensors.tensors)
    if (!(array == b.tensors.at(name))) return name;
  return {};
}

const Checkpoint& left_alone() {
  static const Checkpoint result = [] {
    const TempFolder folder;
    run_in(folder.path());
    return load_checkpoint(folder.path());
  }();
  return result;
}

/// The run, when this program was called for it.
TEST(ResumeChild, Runs) {
  const char* folder = std::getenv(kFolderVariable);
  if (!folder) GTEST_SKIP() << "only a child of the other tests runs here";
  run_in(folder);
}

/// When to kill a child: so long after it has written so many checkpoints.
struct Moment {
  int checkpoints = 0;
  std::chrono::microseconds later{0};
};

/// Counts the checkpoints that appear in a folder, by the file number of their record.
class Watch {
 public:
  explicit Watch(const fs::path& folder) : record_(folder / "checkpoint.json") { look(); }
  int changes() {
    seen_ += look();
    return seen_;
  }

 private:
  bool look() {
    struct stat found = {};
    if (::stat(record_.c_str(), &found) != 0 || found.st_ino == file_) return false;
    file_ = found.st_ino;
    return true;
  }

  fs::path record_;
  ino_t file_ = 0;
  int seen_ = 0;
};

/// Starts a child and, unless there is none, kills it at this moment. Returns whether it came to its end.
bool run_child(const fs::path& folder, std::optional<Moment> moment = {}) {
  const std::string variable = std::string(kFolderVariable) + "=" + folder.string();
  Watch watch(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    const char* arguments[] = {"resume_test", "--gtest_filter=ResumeChild.Runs", "--gtest_brief=1", nullptr};
    const char* environment[] = {variable.c_str(), nullptr};
    ::execve("/proc/self/exe", const_cast<char**>(arguments), const_cast<char**>(environment));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    if (!moment || watch.changes() < moment->checkpoints) continue;
    std::this_thread::sleep_for(moment->later);
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    break;
  }
  EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0) << "status " << status;
  return !WIFSIGNALED(status);
}

TEST(Resume, KilledAtAnyMomentEndsWithTheSameBits) {
  const Checkpoint& want = left_alone();
  int kills = 0, in_the_middle = 0;
  for (int run = 0; run < 6; ++run) {
    const TempFolder folder;
    bool done = false;
    for (int attempt = 0; !done; ++attempt) {
      std::optional<Moment> moment;
      if (attempt < 6) {
        const std::uint64_t at = static_cast<std::uint64_t>(run * 64 + attempt * 2);
        const int checkpoints = static_cast<int>(random_word(17, at, 0, 0) % 12);  // 0: at any time from its start on
        const int range = checkpoints == 0 ? 60'000 : 2'000;
        moment = Moment{checkpoints, std::chrono::microseconds(random_word(17, at + 1, 0, 0) % range)};
      }
      done = run_child(folder.path(), moment);
      kills += !done;
      if (done || !fs::exists(folder / "checkpoint.json")) continue;
      const Checkpoint left = load_checkpoint(folder.path());  // whole, whenever the kill came
      in_the_middle += left.step > 0 && left.step < want.step;
    }
    EXPECT_EQ(difference(load_checkpoint(folder.path()), want), "") << "run " << run;
    EXPECT_EQ(folder.entries(), 2) << "a resumed run cleans up what a kill left";
  }
  EXPECT_GE(kills, 6);
  EXPECT_GE(in_the_middle, 6);
  RecordProperty("kills", kills);
}

struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A checkpoint in the middle of the third epoch.
Checkpoint halfway() {
  const TempFolder folder;
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer trainer = make_trainer(*backend);
  FitOptions options = options_for(folder.path());
  options.on_step = [](const StepReport& report, const LossReport&) {
    if (report.state.step == 41) throw Interrupted("as if killed");
  };
  EXPECT_THROW(trainer.fit(samples(), options), Interrupted);
  return load_checkpoint(folder.path());
}

std::string difference_when_resumed_from(const Checkpoint& from) {
  const auto backend = make_backend("cpu", nullptr, 1);
  Trainer trainer = make_trainer(*backend);
  trainer.restore(from);
  trainer.fit(samples(), options_for({}));
  return difference(trainer.snapshot(), left_alone());
}

TEST(Resume, EveryPieceOfTheStateCounts) {
  const Checkpoint good = halfway();
  ASSERT_EQ(good.at.epoch, 2);
  ASSERT_GT(good.at.position, 0);
  ASSERT_GT(good.totals.count, 0);
  EXPECT_EQ(difference_when_resumed_from(good), "");

  const auto broken = [&](const char* what, const std::function<void(Checkpoint&)>& change) {
    Checkpoint bad = good;
    change(bad);
    EXPECT_NE(difference_when_resumed_from(bad), "") << "leaving out " << what << " was not noticed";
  };
  const auto clear = [](const std::string& ending) {
    return [ending](Checkpoint& c) {
      for (auto& [name, array] : c.tensors.tensors)
        if (name.ends_with(ending)) array = Array(DType::f32, array.shape());
    };
  };
  broken("the first moments", clear(".state0"));
  broken("the second moments", clear(".state1"));
  broken("the biases", clear(".bias"));
  for (std::int64_t Checkpoint::*count : {&Checkpoint::step, &Checkpoint::skipped}) {
    Checkpoint bad = good;
    bad.*count += 1;  // the record alone
    EXPECT_THROW(difference_when_resumed_from(bad), Error);
    bad = good;
    for (auto& [name, array] : bad.tensors.tensors)
      if (name == "optimizer.step") array.as<std::int64_t>()[count == &Checkpoint::step ? 0 : 1] += 1;
    bad.*count += 1;
    EXPECT_NE(difference_when_resumed_from(bad), "") << "another count of steps was not noticed";
  }
  broken("the position", [](Checkpoint& c) { c.at.position = 0; });
  broken("the epoch", [](Checkpoint& c) { c.at.epoch = 1; });
  broken("the running sums", [](Checkpoint& c) { c.totals = {}; });
  broken("the history", [](Checkpoint& c) { c.history.clear(); });
}

}  // namespace
}  // namespace fuselage
