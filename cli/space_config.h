// The table [space] of a configuration: which keys of [model] and [train] the search varies, and over which values.
//
//   layers = [1, 4]                                   two numbers: a range, both ends included
//   hidden = [32, 64, 128]                            any other list: one of these values
//   lr = { min = 1e-4, max = 3e-3, log = true }       a range with a step or on a logarithmic scale
//   pooling = { choices = ["mean", "first"], when = "layers > 1" }
//   "layers[i].heads" = [1, 2, 4, 8]                  a choice of its own for every layer
//   norm = "rms_norm"                                 one value: fixed
//   valid = ["hidden % heads == 0"]                   rules that every point must meet
//
// A range is of integers if the key is. Names and values are checked against the table of keys; conditions and
// rules are read by the search space itself (nas/space.h).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lathe {
class JsonWriter;
}

namespace lathe::cli {

/// One value of a parameter.
using Scalar = std::variant<bool, std::int64_t, double, std::string>;

struct SpaceParameter {
  enum class Kind : std::uint8_t { integers, numbers, choices };
  std::string name;  ///< "hidden", "layers[i].heads"
  Kind kind = Kind::choices;
  double min = 0, max = 0;      ///< of a range, both included
  double step = 0;              ///< 0: every value (integers: 1)
  bool log = false;             ///< uniform in the logarithm
  std::vector<Scalar> choices;  ///< of Kind::choices, at least one
  bool ordered = false;         ///< the choices have an order, which samplers may use
  std::string when;             ///< "": always there
  std::string origin;           ///< "lathe.toml:12:1"; not part of equality

  /// As it stands in a file: the shortest of the forms above.
  std::string to_toml() const;
  void write_json(JsonWriter& json) const;
  friend bool operator==(const SpaceParameter& a, const SpaceParameter& b);
};

struct SpaceConfig {
  std::vector<SpaceParameter> parameters;  ///< in the order of the file
  std::vector<std::string> valid;
  std::string valid_origin;  ///< where the rules stand; not part of equality

  const SpaceParameter* find(std::string_view name) const;
  /// Lines of TOML, without the [space] before them.
  std::string to_toml() const;
  void write_json(JsonWriter& json) const;
  friend bool operator==(const SpaceConfig& a, const SpaceConfig& b);
};

/// The space of a search that names none: layers 1–4, hidden 32 | 64 | 128, heads 1 | 2 | 4 | 8 dividing hidden, expansion
/// 2–4, activation, norm and its place, dropout 0.05–0.3, learning rate 1e-4 … 3e-3 (logarithmic).
SpaceConfig default_space();

/// TOML form of a value.
std::string to_toml(const Scalar& value);

}  // namespace lathe::cli
