#include <lathe/nn/safetensors_header.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <nlohmann/json.hpp>

#include <set>
#include <utility>

namespace lathe::nn {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 127;

/// A state machine over the events of the parser. Returning false stops the parser; the reason is then in `problem`.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(std::vector<HeaderEntry>& entries, Metadata& metadata) : entries_(entries), metadata_(metadata) {}
  std::string problem;

  bool null() override {
    if (place_ == Place::kEntries && key_ == kMetadataKey) return true;
    return plain("null");
  }
  bool boolean(bool) override { return plain("true or false"); }
  bool number_integer(number_integer_t) override { return plain("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return plain("a number that is not whole or too large"); }
  bool binary(binary_t&) override { return plain("binary data"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      entry().shape.push_back(value);
      return true;
    }
    if (place_ == Place::kOffsets) {
      if (offsets_ == 2) return fail("more than two data_offsets");
      (offsets_++ == 0 ? entry().begin : entry().end) = value;
      return true;
    }
    return plain("a number");
  }
  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata_[key_] = value;
      return true;
    }
    if (place_ == Place::kEntry && field_ == "dtype") {
      const auto type = stored_type(value);
      if (!type) return fail("dtype `" + value + "` is unknown");
      entry().type = *type;
      return true;
    }
    return plain("a string");
  }

  bool start_object(std::size_t) override {
    if (++depth_ > kMaxDepth) return fail("nested too deeply");
    if (place_ == Place::kStart) {
      place_ = Place::kEntries;
    } else if (place_ == Place::kEntries) {
      place_ = key_ == kMetadataKey ? Place::kMetadata : Place::kEntry;
      if (place_ == Place::kEntry) entries_.push_back({.name = key_}), fields_.clear();
    } else {
      return nested("an object");
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (++depth_ > kMaxDepth) return fail("nested too deeply");
    if (place_ == Place::kEntry && field_ == "shape") {
      place_ = Place::kShape;
    } else if (place_ == Place::kEntry && field_ == "data_offsets") {
      place_ = Place::kOffsets;
      offsets_ = 0;
    } else {
      return nested("an array");
    }
    return true;
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (place_ == Place::kIgnored) return true;
    if (place_ == Place::kEntry) {
      field_ = name;
      const bool known = name == "dtype" || name == "shape" || name == "data_offsets";
      return !known || fields_.insert(name).second || fail("field `" + name + "` stands there twice");
    }
    key_ = name;
    if (place_ == Place::kMetadata)
      return metadata_.find(name) == metadata_.end() || fail("metadata `" + name + "` stands there twice");
    return names_.insert(name).second || fail("the name stands there twice");
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    key_.clear();
    return fail(str("not valid JSON near byte ", position + 8));
  }

 private:
  enum class Place { kStart, kEntries, kMetadata, kEntry, kShape, kOffsets, kIgnored };
  static constexpr const char* kMetadataKey = "__metadata__";

  HeaderEntry& entry() { return entries_.back(); }
  /// Is the parser inside or at a field that means nothing to the format? Anything may stand there.
  bool ignored() const {
    return place_ == Place::kIgnored ||
           (place_ == Place::kEntry && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets");
  }
  bool plain(const char* what) { return ignored() || fail(str(what, " is not what belongs there")); }
  bool nested(const char* what) {
    if (!ignored()) return fail(str(what, " is not what belongs there"));
    if (place_ != Place::kIgnored) ignored_from_ = depth_;
    place_ = Place::kIgnored;
    return true;
  }
  bool leave() {
    --depth_;
    switch (place_) {
      case Place::kIgnored:
        if (depth_ < ignored_from_) place_ = Place::kEntry;
        return true;
      case Place::kShape:
        place_ = Place::kEntry;
        return true;
      case Place::kOffsets:
        place_ = Place::kEntry;
        return offsets_ == 2 || fail("expected two data_offsets");
      case Place::kEntry:
        place_ = Place::kEntries;
        for (const char* field : {"dtype", "shape", "data_offsets"})
          if (fields_.count(field) == 0) return fail(str("field `", std::string_view(field), "` is missing"));
        return true;
      case Place::kMetadata:
        place_ = Place::kEntries;
        return true;
      default:
        return true;
    }
  }
  bool fail(std::string reason) {
    problem = key_.empty() ? std::move(reason) : str("header entry `", key_, "`: ", reason);
    return false;
  }

  std::vector<HeaderEntry>& entries_;
  Metadata& metadata_;
  Place place_ = Place::kStart;
  int depth_ = 0, ignored_from_ = 0, offsets_ = 0;
  std::string key_, field_;
  std::set<std::string> names_, fields_;
};

}  // namespace

void parse_safetensors_header(std::string_view json, const std::string& where, std::vector<HeaderEntry>& entries,
                              Metadata& metadata) {
  // The parser would skip blanks and a byte order mark in front and stop at a NUL.
  if (json.empty() || json.front() != '{') throw InputError(where + ": not a safetensors file: the header does not begin with {");
  if (json.find('\0') != std::string_view::npos) throw InputError(where + ": NUL byte in the header");
  HeaderReader reader(entries, metadata);
  if (!Json::sax_parse(json.begin(), json.end(), &reader, Json::input_format_t::json, true))
    throw InputError(where + ": " + reader.problem);
}

}  // namespace lathe::nn
