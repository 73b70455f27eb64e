// The losses of peers by their names: the settings found give the peers' own numbers (tests/oracle/data).
#include "fuselage/compat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/batches.h"
#include "tests/support/oracle.h"

namespace fuselage::test {
namespace {

using testing::message_of;

constexpr int kLeastCases = 5;

bool is_mean(Reduction r) { return r != Reduction::none && r != Reduction::sum; }

/// The entry's loss and all its options are in the list.
bool is_listed(const PeerLoss& entry) {
  return message_of([&] { Losses::parse(entry.ours, "loss"); }) == "no error";
}

std::string entry_text(const PeerLoss& entry) {
  return std::string(name_of(entry.peer)) + " " + std::string(entry.function) + " " + std::string(entry.when);
}

/// Whether the text names the entry: its function, and all that chooses it.
bool names(const OracleCase& c, const PeerLoss& entry) {
  const std::string fields = c.compat.substr(std::min(c.compat.size(), c.compat.find(':'))) + ",";
  if (c.peer != name_of(entry.peer) || c.compat.substr(0, c.compat.find(':')) != entry.function) return false;
  bool all = true;
  const auto holds = [&](std::string_view key, std::string_view value) {
    return fields.find(std::string(key) + "=" + std::string(value) + ",") != std::string::npos;
  };
  for (const auto& [key, value] : detail::settings_in("", entry.when)) all &= holds(key, value);
  return all;
}

TEST(Compat, ConventionsGiveThePeersNumbers) {
  const auto backend = make_cpu_backend({1, ""});
  int compared = 0;
  for (const auto& [name, cases] : read_oracles())
    for (OracleCase c : cases) {
      if (c.compat.empty()) continue;
      const Peer peer = parse_peer(c.peer);
      std::string text = c.compat;
      if (!is_mean(c.reduction))
        text += (text.find(':') == std::string::npos ? ":" : ",") + ("reduction=" + std::string(name_of(c.reduction)));
      const Convention found = convention(peer, text);
      EXPECT_EQ(Losses::to_string(found.loss), Losses::to_string(Losses::parse(c.loss, "loss"))) << c.text();
      EXPECT_EQ(found.target_first, peer == Peer::keras);
      c.reduction = found.reduction;  // in place of the one that the case names
      EXPECT_EQ(difference(answer(*backend, found.loss, c), c, loss_budget(name, DType::f32)), "") << text;
      ++compared;
    }
  EXPECT_GT(compared, 400);
  std::cout << compared << " cases by the peers' names\n";
}

TEST(Compat, EveryEntryHasItsCases) {
  std::vector<OracleCase> all;
  for (const auto& [name, cases] : read_oracles()) all.insert(all.end(), cases.begin(), cases.end());
  for (const PeerLoss& entry : peer_losses()) {
    const auto count = std::count_if(all.begin(), all.end(), [&](const OracleCase& c) { return names(c, entry); });
    EXPECT_GE(count, kLeastCases) << entry_text(entry);
    EXPECT_TRUE(is_listed(entry)) << entry_text(entry) << " is " << entry.ours;
    EXPECT_TRUE(is_mean(entry.reduction)) << entry_text(entry);
  }
}

std::string settings(Peer peer, const char* text) {
  const Convention found = convention(peer, text);
  return Losses::to_string(found.loss) + " " + std::string(name_of(found.reduction));
}

TEST(Compat, NamesAndOptionsAreThePeers) {
  EXPECT_EQ(settings(Peer::torch, "HuberLoss:delta=0.5"), "huber:delta=0.5 mean_over_outputs");
  EXPECT_EQ(settings(Peer::torch, "mse_loss:reduction=sum"), "mse sum");
  EXPECT_EQ(settings(Peer::torch, "cross_entropy"), "softmax_cross_entropy:ignore_index=-100 mean");
  EXPECT_EQ(settings(Peer::torch, "CrossEntropyLoss:ignore_index=3,label_smoothing=0.5"),
            "softmax_cross_entropy:label_smoothing=0.5,ignore_index=3 mean");
  EXPECT_EQ(settings(Peer::keras, "BinaryCrossentropy"), "bce:clip=1e-07 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "BinaryCrossentropy:from_logits=False"), "bce:clip=1e-07 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "BinaryCrossentropy:from_logits=True,label_smoothing=0.5"),
            "bce_with_logits:label_smoothing=0.5 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "binary_focal_crossentropy:from_logits=true,gamma=3,alpha=0.75"),
            "focal:gamma=3 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "binary_focal_crossentropy:from_logits=true,apply_class_balancing=true"),
            "focal:alpha=0.25 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "sparse_categorical_crossentropy:from_logits=true,ignore_class=0"),
            "softmax_cross_entropy:ignore_index=0 mean_over_counted");
  // Keras's default by its name is the default.
  EXPECT_EQ(settings(Peer::keras,
                     "sparse_categorical_crossentropy:from_logits=true,ignore_class=0,reduction=sum_over_batch_size"),
            "softmax_cross_entropy:ignore_index=0 mean_over_counted");
  EXPECT_EQ(settings(Peer::keras, "sparse_categorical_crossentropy:from_logits=true,ignore_class=0,reduction=sum"),
            "softmax_cross_entropy:ignore_index=0 sum");
  EXPECT_EQ(settings(Peer::keras, "mean_squared_error:reduction=mean_with_sample_weight"), "mse mean");
  EXPECT_EQ(settings(Peer::keras, "sparse_categorical_crossentropy:from_logits=true,reduction=sum"),
            "softmax_cross_entropy sum");
  // Keras's divergence is a sum for each row, so its sum is one here, too.
  EXPECT_EQ(settings(Peer::keras, "kl_divergence:reduction=sum"), "kl:prediction=probability,eps=1e-07 sum");
  // Names of this library take the peer's defaults.
  EXPECT_EQ(settings(Peer::keras, "bce"), "bce:clip=1e-07 mean_over_outputs");
  EXPECT_EQ(settings(Peer::keras, "poisson_nll"), "poisson_nll:log_input=false,eps=1e-07 mean_over_outputs");
}

TEST(Compat, RefusesWhatIsNotReproduced) {
  const auto refused = [](Peer peer, const char* text) { return message_of([&] { convention(peer, text); }); };
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks " << part;
  };
  has(refused(Peer::torch, "hubr_loss"), "unknown_name: torch has no loss 'hubr_loss' (did you mean 'huber_loss'");
  has(refused(Peer::optax, "poisson"), "optax has no loss 'poisson'");
  has(refused(Peer::torch, "huber_loss:delt=1"), "option 'delt' is not reproduced (did you mean 'delta'");
  has(refused(Peer::torch, "huber_loss:delta=-1"), "delta = -1 is outside (0, inf)");
  has(refused(Peer::torch, "huber_loss:delta=1,delta=2"), "'delta' is given twice");
  has(refused(Peer::torch, "mse_loss:reduction=average"), "has no reduction 'average'");
  has(refused(Peer::torch, "mse_loss:reduction=batchmean"), "has no reduction 'batchmean'");
  has(refused(Peer::keras, "huber:reduction=sum"), "means over the last axis");
  has(refused(Peer::keras, "kl_divergence:reduction=mean_with_sample_weight"),
      "is of sums over the last axis in keras");
  has(refused(Peer::optax, "kl_divergence:reduction=none"), "is of sums over the last axis in optax");
  has(refused(Peer::keras, "binary_focal_crossentropy"), "is reproduced with from_logits=true alone");
  has(refused(Peer::keras, "binary_crossentropy:from_logits=1"), "from_logits = '1' is neither true nor false");
  has(message_of([] { parse_peer("pytorch"); }), "unknown_name: unknown peer 'pytorch'");
}

}  // namespace
}  // namespace fuselage::test
