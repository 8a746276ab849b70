#include <lathe/nas/objective.h>

#include <lathe/base/text.h>

#include <array>
#include <cmath>

namespace lathe::nas {
namespace {

constexpr std::array<std::string_view, 4> kFailureNames = {"none", "non_finite", "memory_limit", "error"};

bool digest_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || c == '.' || c == '-';
}

bool good_digest(std::string_view digest) {
  for (const char c : digest)
    if (!digest_character(c)) return false;
  return true;
}

std::string numbers(const std::vector<double>& values) {
  std::string out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i) out += ',';
    out += number(values[i]);
  }
  return out;
}

class FunctionObjective final : public Objective {
 public:
  using PlanFunction = std::function<Plan(const Point&)>;
  using RunFunction = std::function<SegmentResult(const Point&, const SegmentContext&, const Checkpoint&)>;
  FunctionObjective(PlanFunction plan, RunFunction run) : plan_(std::move(plan)), run_(std::move(run)) {}
  Plan plan(const Point& params) const override { return plan_ ? plan_(params) : Plan{}; }
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override {
    return run_(params, segment, checkpoint);
  }

 private:
  PlanFunction plan_;
  RunFunction run_;
};

}  // namespace

const char* failure_name(Failure failure) { return kFailureNames[static_cast<std::size_t>(failure)].data(); }

std::string to_text(const SegmentResult& result) {
  if (result.failure != Failure::none) {
    std::string out = str("failure=", failure_name(result.failure));
    if (!result.digest.empty()) out += " digest=" + result.digest;
    return out;
  }
  std::string out = "values=" + numbers(result.values);
  if (!result.constraints.empty()) out += " constraints=" + numbers(result.constraints);
  if (result.unit_done) out += " end";
  if (!result.digest.empty()) out += " digest=" + result.digest;
  return out;
}

SegmentResult parse_segment_result(std::string_view text) {
  const auto refuse = [&](std::string_view what) -> InputError {
    return InputError(str("`", text, "` is not a segment's result: ", what));
  };
  SegmentResult result;
  bool has_values = false;
  const auto read = [&](std::string_view list, std::vector<double>& into) {
    for (const std::string_view value : split(list, ',')) {
      const auto x = parse_double(value);
      if (!x || !std::isfinite(*x)) throw refuse(str("`", value, "` is not a finite number"));
      into.push_back(*x);
    }
  };
  for (const std::string_view part : split(text, ' ')) {
    if (part.starts_with("values=")) {
      has_values = true;
      read(part.substr(7), result.values);
    } else if (part.starts_with("constraints=")) {
      read(part.substr(12), result.constraints);
    } else if (part.starts_with("failure=")) {
      const std::string_view name = part.substr(8);
      for (std::size_t i = 1; i < kFailureNames.size(); ++i)
        if (kFailureNames[i] == name) result.failure = static_cast<Failure>(i);
      if (result.failure == Failure::none) throw refuse(str("unknown failure `", name, "`"));
    } else if (part == "end") {
      result.unit_done = true;
    } else if (part.starts_with("digest=") && good_digest(part.substr(7))) {
      result.digest = std::string(part.substr(7));
    } else {
      throw refuse(str("unexpected `", part, "`"));
    }
  }
  if (has_values == (result.failure != Failure::none)) throw refuse("expected either values or a failure");
  if (!has_values && !result.constraints.empty()) throw refuse("a failure has no constraints");
  return result;
}

SegmentResult checked(SegmentResult result, std::size_t objectives, std::size_t constraints) {
  if (!good_digest(result.digest))
    throw InputError(str("the digest `", result.digest, "` of a segment has characters other than [0-9A-Za-z_:.-]"));
  if (result.failure == Failure::none) {
    if (result.values.size() != objectives)
      throw InputError(str("the objective reported ", result.values.size(), " values, expected ", objectives));
    if (result.constraints.size() != constraints)
      throw InputError(str("the objective reported ", result.constraints.size(), " constraints, expected ", constraints));
    const auto require_finite = [&](const std::vector<double>& numbers, const char* what) {
      for (const double value : numbers) {
        if (std::isfinite(value)) continue;
        result.failure = Failure::non_finite;
        if (result.note.empty()) result.note = str("the objective reported the ", what, " ", value);
      }
    };
    require_finite(result.values, "value");
    require_finite(result.constraints, "constraint");
  }
  if (result.failure != Failure::none) {
    result.values.clear();
    result.constraints.clear();
    result.unit_done = false;
  }
  for (auto* numbers : {&result.values, &result.constraints})
    for (double& value : *numbers)
      if (value == 0) value = 0;  // −0 would be written differently
  return result;
}

std::optional<Checkpoint::State> Checkpoint::load() const {
  if (!store_ || segment_ == 0) return std::nullopt;
  auto found = store_->load(trial_, segment_ - 1);
  if (!found) return std::nullopt;
  return State{found->first, std::move(found->second)};
}

void Checkpoint::save(std::string bytes) const {
  if (store_) store_->save(trial_, segment_, std::move(bytes));
}

Plan Objective::plan(const Point&) const { return {}; }
std::optional<std::string> Objective::refuse(const Point&) const { return std::nullopt; }

std::unique_ptr<Objective> objective_of(std::function<double(const Point&)> function) {
  return std::make_unique<FunctionObjective>(
      nullptr, [function = std::move(function)](const Point& params, const SegmentContext&, const Checkpoint&) {
        return SegmentResult::of(function(params));
      });
}

std::unique_ptr<Objective> objective_of(std::function<Plan(const Point&)> plan,
                                        std::function<SegmentResult(const Point&, const SegmentContext&, const Checkpoint&)> run) {
  return std::make_unique<FunctionObjective>(std::move(plan), std::move(run));
}

}  // namespace lathe::nas
