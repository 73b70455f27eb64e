// The reference of returns and advantages: the sums of the textbook, written out, in double.
#pragma once

#include <cstdint>
#include <vector>

namespace fuselage::reference {

/// Arrays are [sequences, steps], row-major; those that are empty are not given.
struct EpisodesInput {
  std::int64_t sequences = 0, steps = 0;
  std::vector<double> reward, value;
  std::vector<unsigned char> done;
  std::vector<double> bootstrap;     ///< [sequences]
  std::vector<std::int64_t> length;  ///< [sequences]
  double gamma = 1, lambda = 1;
};

struct EpisodesOutput {
  std::vector<double> returns, advantage;
};

/// R_t = sum_k gamma^k r_{t+k} up to the episode's last step; where that is no end, gamma^n bootstrap is added.
EpisodesOutput discounted_returns(const EpisodesInput& input);

/// A_t = sum_k (gamma lambda)^k delta_{t+k} up to the episode's last step, with the one-step errors delta; R_t = A_t +
/// V_t.
EpisodesOutput gae(const EpisodesInput& input);

}  // namespace fuselage::reference
