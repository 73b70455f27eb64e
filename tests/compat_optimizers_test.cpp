// The optimizers of peers by their names: the settings found are those whose steps were compared with the peers' own
// (tests/oracle/trajectories).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fuselage/compat.h"
#include "tests/support/batches.h"
#include "tests/support/trajectories.h"

namespace fuselage::test {
namespace {

using testing::message_of;

/// "Adam:amsgrad=True" of "torch.optim.Adam(amsgrad=True)".
std::string name_at_peer(const std::string& call) {
  const std::string head = call.substr(0, call.find('('));
  const std::string name = head.substr(head.rfind('.') + 1);
  if (head.size() == call.size()) return name;
  return name + ":" + call.substr(head.size() + 1, call.size() - head.size() - 2);
}

TEST(CompatOptimizers, DefaultsAreThoseThatWereCompared) {
  std::set<std::string> compared;
  for (const auto& [rule, cases] : read_trajectories())
    for (const TrajectoryCase& c : cases) {
      if (c.compat.empty()) continue;
      const std::string name = name_at_peer(c.compat);
      const OptimizerSpec found = optimizer_convention(parse_peer(c.peer), name);
      EXPECT_EQ(found.to_string(), OptimizerSpec::parse(c.rule).to_string()) << c.compat;
      compared.insert(c.peer + " " + name);
    }
  EXPECT_GT(compared.size(), 45u);
  for (const PeerOptimizer& entry : peer_optimizers()) {
    if (entry.function == "rprop" && entry.peer == Peer::optax) continue;  // it is compared in time, see rules.py
    if (!entry.when.empty() && entry.when != "amsgrad=true") continue;  // decay and eps: their cases have other numbers
    const std::string text = std::string(name_of(entry.peer)) + " " + std::string(entry.function) +
                             (entry.when.empty() ? "" : ":amsgrad=True");
    EXPECT_TRUE(compared.contains(text)) << text << " was compared with nothing";
  }
}

TEST(CompatOptimizers, OptionsHaveThePeersNames) {
  const auto text = [](Peer peer, std::string_view name) { return optimizer_convention(peer, name).to_string(); };
  EXPECT_EQ(text(Peer::torch, "Adam:lr=0.1,weight_decay=0.5"), "adam:lr=0.1,l2=0.5");
  EXPECT_EQ(text(Peer::torch, "Adam:weight_decay=0.5,decoupled_weight_decay=True"), "adam:decay=0.5");
  EXPECT_EQ(text(Peer::torch, "RMSprop:alpha=0.5,centered=True"), "rmsprop:rho=0.5,centered=true");
  EXPECT_EQ(text(Peer::keras, "SGD:learning_rate=0.5,weight_decay=0.25"), "sgd:lr=0.5,velocity=scaled,decay=0.25");
  EXPECT_EQ(text(Peer::keras, "adamw"), text(Peer::keras, "AdamW")) << "the rule's name here, the peer's defaults";
  EXPECT_EQ(text(Peer::optax, "rmsprop:eps_in_sqrt=False"), "rmsprop:lr=0.001,rho=0.9,velocity=scaled");
  EXPECT_EQ(text(Peer::optax, "lion:b1=0.5"), "lion:lr=0.001,beta1=0.5,weight_decay=0.001");
}

TEST(CompatOptimizers, RefusesByName) {
  const auto refused = [](Peer peer, std::string_view name) {
    return message_of([&] { optimizer_convention(peer, name); });
  };
  EXPECT_NE(refused(Peer::torch, "Lion").find("torch has no optimizer 'Lion'"), std::string::npos);
  EXPECT_NE(refused(Peer::keras, "Adamm").find("did you mean 'Adam'"), std::string::npos)
      << refused(Peer::keras, "Adamm");
  EXPECT_NE(refused(Peer::torch, "Adam:betas=1").find("option 'betas' is not reproduced"), std::string::npos);
  EXPECT_NE(refused(Peer::torch, "Adam:lr=-1").find("lr = -1"), std::string::npos);
  EXPECT_NE(refused(Peer::torch, "Adam:amsgrad=2").find("amsgrad"), std::string::npos);
}

}  // namespace
}  // namespace fuselage::test
