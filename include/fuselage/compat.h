// The losses and optimizers of PyTorch, Keras and Optax by the names that they have there.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "fuselage/batch.h"
#include "fuselage/data.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"

namespace fuselage {

/// Whose conventions.
enum class Peer : std::uint8_t { torch, keras, optax };

constexpr std::array<std::string_view, 3> names_of(Peer) { return {"torch", "keras", "optax"}; }
constexpr std::string_view name_of(Peer peer) { return names_of(peer)[static_cast<std::size_t>(peer)]; }

/// "torch" and so on; Error(unknown_name) for another.
Peer parse_peer(std::string_view name);

/// What gives the numbers of a peer's loss.
struct Convention {
  AnyLoss loss;         ///< with the peer's defaults, eps and clips
  Reduction reduction;  ///< the peer's default (of Optax, whose losses reduce nothing, the mean over what they give)
  bool target_first;    ///< the peer is called (target, prediction): swap its arguments
  std::string_view targets;  ///< what the target is there
  std::string_view remarks;  ///< what differs all the same
  TargetForm form;           ///< what to make of it: in_form(targets, form) is what the loss takes
};

/// The convention of a loss of the peer, "huber_loss:delta=0.5,reduction=sum": the names of functions, classes and
/// options are the peer's own. Where the peer has no such name, it may be that of a loss here, which then takes the
/// peer's defaults. Error(unknown_name) for what the peer does not have, Error(bad_argument) for options that are not
/// reproduced.
Convention convention(Peer peer, std::string_view loss);

/// One loss of a peer, as the documentation shows it.
struct PeerLoss {
  Peer peer;
  std::string_view function, type;  ///< its names there; either may be empty
  std::string_view when;            ///< "option=value" that chooses this entry among those of the same name
  std::string_view ours;            ///< text form of the loss here
  std::string_view options;         ///< the options it takes: "a,b=ours,c=": of the same name here, of another, of none
  Reduction reduction;              ///< of the peer's mean
  std::string_view arguments;       ///< their order there
  std::string_view targets, remarks;
  TargetForm form = TargetForm::as_given;
};

/// All of them.
std::span<const PeerLoss> peer_losses();

/// What gives the steps of a peer's optimizer, "AdamW:lr=1e-3,weight_decay=0.1": the names of classes, functions and
/// options are the peer's own, or a rule's here, which then takes the peer's defaults. Errors as convention().
OptimizerSpec optimizer_convention(Peer peer, std::string_view optimizer);

/// One optimizer of a peer, as PeerLoss.
struct PeerOptimizer {
  Peer peer;
  std::string_view function, type, when, ours, options, remarks;
};

/// All of them.
std::span<const PeerOptimizer> peer_optimizers();

}  // namespace fuselage
