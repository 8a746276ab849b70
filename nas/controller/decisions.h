// A space as a sequence of decisions: what a policy that speaks one word after the other chooses.
//
// Each parameter with more than one value is one decision, in the order of the space:
//   categorical                                       its choices
//   integer, ordinal, stepped real of ≤ `bins` values   its values
//   any other integer, ordinal, stepped real            `bins` parts of neighbouring values, about equally many in each; with a
//                                                     logarithm, cut where equal parts of the layout (axis.h) begin, and a part
//                                                     that would be empty takes the next value
//   any other real                                    `bins` equal parts of its layout
// A value belongs to one part alone, and within a part all are equally likely (with a logarithm: in their layout).
// A parameter that is not active is no decision of that point: its choice is kInactive.
//
// Masks: a choice is forbidden where it breaks a rule whose other parameters all come before (`hidden % heads == 0` forbids heads).
// They are made for categoricals and for numbers chosen by value. Where they would forbid everything they forbid nothing: the point
// is then refused as a whole. Masks depend on the point alone, so they are found again from it.
#pragma once
#include <lathe/nas/sampler/axis.h>
#include <lathe/nas/space.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace lathe::nas {

class Decisions {
 public:
  static constexpr std::int32_t kInactive = -1;
  Decisions() = default;  ///< of no space
  Decisions(const Space& space, std::int64_t bins);

  std::size_t size() const { return decisions_.size(); }
  std::size_t parameter(std::size_t decision) const { return decisions_[decision].parameter; }
  std::int64_t choices(std::size_t decision) const { return decisions_[decision].choices; }
  /// The decision of a parameter; nothing: it has one value.
  std::optional<std::size_t> of_parameter(std::size_t parameter) const { return of_parameter_[parameter]; }
  bool masked(std::size_t decision) const { return !decisions_[decision].rules.empty(); }

  /// What a point chose, one entry per decision.
  std::vector<std::int32_t> chosen(const Point& point) const;
  /// May each choice be taken, given the values of the parameters before it?
  std::vector<bool> allowed(std::size_t decision, std::span<const std::optional<Value>> values) const;
  /// A value of that choice; `uniform` in [0, 1) places it within its part.
  Value value(std::size_t decision, std::int32_t choice, double uniform) const;

 private:
  struct Decision {
    std::size_t parameter = 0;
    std::int64_t choices = 0;
    bool by_value = false;
    Axis axis;
    std::vector<std::uint64_t> starts;  // index of the first value of each part, then the number of values; empty: no such parts
    std::vector<std::size_t> rules;     // those whose last parameter it is
  };
  static std::vector<std::uint64_t> parts_of(const Parameter& parameter, const Axis& axis, std::uint64_t parts);
  std::int32_t choice_of(const Decision& decision, const Value& value) const;
  Space space_;
  std::vector<Decision> decisions_;
  std::vector<std::optional<std::size_t>> of_parameter_;
};

}  // namespace lathe::nas
