// Values of parameters and points of a search space.
//
// A Point is what an objective receives and what makes two proposals equal: the values of the parameters that are
// active, in the order of the space. Its canonical text is a JSON object; equal points have equal text on every machine.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lathe::nas {

/// A boolean, a 64-bit integer, a finite real number or a text.
class Value {
 public:
  Value(bool flag) : data_(flag) {}                            // NOLINT: a literal is meant to be a value
  Value(int number) : data_(std::int64_t{number}) {}           // NOLINT
  Value(std::int64_t number) : data_(number) {}                // NOLINT
  Value(double number) : data_(number == 0 ? 0.0 : number) {}  // NOLINT: −0 is 0, they would print differently
  Value(std::string text) : data_(std::move(text)) {}          // NOLINT
  Value(const char* text) : data_(std::string(text)) {}        // NOLINT

  const bool* flag() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  /// Integers and reals as a double, nothing for booleans and texts.
  std::optional<double> number() const;
  /// JSON: true, 3, 0.001, "relu". Reals in their shortest form, so 1.0 is written 1.
  std::string json() const;
  /// For people: as JSON, but texts without quotes.
  std::string show() const;

  bool operator==(const Value&) const = default;

 private:
  std::variant<bool, std::int64_t, double, std::string> data_;
};

/// An assignment of the active parameters of one space. Cheap to copy names, compares by content.
class Point {
 public:
  Point() : names_(std::make_shared<const std::vector<std::string>>()) {}
  /// `values[i]` belongs to `names[i]`; nothing where the parameter is inactive. Made by Space, not by hand.
  Point(std::shared_ptr<const std::vector<std::string>> names, std::vector<std::optional<Value>> values);

  /// Number of parameters of the space, inactive ones included; `name(i)`, `value(i)` in the order of the space.
  std::size_t size() const { return values_.size(); }
  const std::string& name(std::size_t i) const { return (*names_)[i]; }
  const std::optional<Value>& value(std::size_t i) const { return values_[i]; }
  const std::vector<std::optional<Value>>& values() const { return values_; }

  /// The value of a parameter, or null if it is inactive or unknown.
  const Value* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  /// Typed access. InputError: no such parameter (nearest name), inactive, or of another type. `real` accepts integers.
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool flag(std::string_view name) const;
  const std::string& text(std::string_view name) const;

  /// Canonical text: {"layers":3,"hidden":64,"activation":"relu"}, active parameters in the order of the space.
  std::string json() const;
  /// SHA-256 of the canonical text, hexadecimal.
  std::string hash() const;
  /// Same active parameters with the same values.
  bool operator==(const Point& other) const { return values_ == other.values_ && *names_ == *other.names_; }

 private:
  const Value& require(std::string_view name, const char* kind) const;
  std::shared_ptr<const std::vector<std::string>> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace lathe::nas
