#include <lathe/nas/value.h>

#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>

namespace lathe::nas {

std::optional<double> Value::number() const {
  if (const auto* i = integer()) return static_cast<double>(*i);
  if (const auto* r = real()) return *r;
  return std::nullopt;
}

std::string Value::json() const {
  if (const auto* t = text()) return json_quote(*t);
  return show();
}

std::string Value::show() const {
  if (const auto* f = flag()) return *f ? "true" : "false";
  if (const auto* i = integer()) return std::to_string(*i);
  if (const auto* r = real()) return lathe::number(*r);
  return *text();
}

Point::Point(std::shared_ptr<const std::vector<std::string>> names, std::vector<std::optional<Value>> values)
    : names_(std::move(names)), values_(std::move(values)) {
  LATHE_CHECK(names_->size() == values_.size(), "a point needs one entry per parameter");
}

const Value* Point::find(std::string_view name) const {
  for (std::size_t i = 0; i < values_.size(); ++i)
    if ((*names_)[i] == name) return values_[i] ? &*values_[i] : nullptr;
  return nullptr;
}

const Value& Point::require(std::string_view name, const char* kind) const {
  if (const Value* value = find(name)) return *value;
  std::string message = str("the point has no parameter `", name, "` (expected ", kind, ")");
  for (const std::string& known : *names_)
    if (known == name) message = str("parameter `", name, "` is inactive in the point ", json());
  if (const auto close = nearest(name, *names_); close && *close != name) message += str("; did you mean `", *close, "`?");
  throw InputError(message);
}

namespace {
[[noreturn]] void wrong_type(std::string_view name, const Value& value, const char* expected) {
  throw InputError(str("parameter `", name, "` = ", value.json(), " is not ", expected));
}
}  // namespace

std::int64_t Point::integer(std::string_view name) const {
  const Value& value = require(name, "an integer");
  if (const auto* i = value.integer()) return *i;
  wrong_type(name, value, "an integer");
}

double Point::real(std::string_view name) const {
  const Value& value = require(name, "a number");
  if (const auto number = value.number()) return *number;
  wrong_type(name, value, "a number");
}

bool Point::flag(std::string_view name) const {
  const Value& value = require(name, "true or false");
  if (const auto* f = value.flag()) return *f;
  wrong_type(name, value, "true or false");
}

const std::string& Point::text(std::string_view name) const {
  const Value& value = require(name, "a text");
  if (const auto* t = value.text()) return *t;
  wrong_type(name, value, "a text");
}

std::string Point::json() const {
  std::string out = "{";
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (!values_[i]) continue;
    if (out.size() > 1) out += ',';
    out += json_quote((*names_)[i]);
    out += ':';
    out += values_[i]->json();
  }
  return out + "}";
}

std::string Point::hash() const { return to_hex(sha256(json())); }

}  // namespace lathe::nas
