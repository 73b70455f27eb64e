// The numbers of other libraries (tests/oracle): reads them, runs a backend on their inputs, and compares.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/pair_losses.h"
#include "fuselage/validate.h"

namespace fuselage::test {

using AnyPairLoss = PairLosses::Any;

/// A case as its file has it. Numbers are doubles, row after row; NaN in `gradient` where nothing is compared.
struct OracleCase {
  std::string file;
  std::size_t number = 0;  ///< in its file
  std::string loss, peer, call;
  std::string compat;  ///< the peer's name of the loss, with its options; empty: there is none
  Reduction reduction = Reduction::mean;
  std::int64_t rows = 0, cols = 0;
  std::vector<double> inputs[3];
  std::vector<double> target, labels, single, weight, class_weight;
  std::optional<double> value;
  std::vector<double> values;
  std::vector<double> gradient[3];    ///< empty where there is none
  std::vector<double> terms, slopes;  ///< largest terms of values and derivatives; see OracleAnswer::whole

  std::string text() const;
};

/// The cases of a file of tests/oracle/data.
std::vector<OracleCase> read_oracle(const std::filesystem::path& file);

/// All of them, by the name of the loss.
std::map<std::string, std::vector<OracleCase>> read_oracles();

/// What somebody makes of a case.
struct OracleAnswer {
  double value = 0, divisor = 1;
  std::vector<double> values, gradient[3];
  bool whole = false;  ///< terms and slopes are those of value and gradient as they stand, after weights and divisor
};

/// A backend's, in fp32, with the case's reduction.
OracleAnswer answer(Backend& backend, const AnyLoss& loss, const OracleCase& c);
/// The same of a loss over all pairs of rows: `second` is b, labels are those of the rows.
OracleAnswer answer(Backend& backend, const AnyPairLoss& loss, const OracleCase& c);
/// The reference's, in double.
OracleAnswer reference_answer(const AnyLoss& loss, const OracleCase& c);

/// Describes the first number that is further from the peer's than the budget, in units in the last of so many binary
/// digits at the largest of the number and of the terms it is made of; empty: none is.
std::string difference(const OracleAnswer& got, const OracleCase& c, const ErrorBudget& budget, int digits = 24);

}  // namespace fuselage::test
