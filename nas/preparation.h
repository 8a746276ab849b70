// What is measured or trained before the first proposal and decides later ones, as StudyHeader::preparation holds it: one member a
// part, each a JSON object that the part itself writes and reads.
//
//   {"baseline":{"accuracy":0.8,…},"latency":{…}}
//
// Measured once: workers and resumed runs take it from the study's header.
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace lathe::nas {

class Preparation {
 public:
  Preparation() = default;
  /// The inverse of json(), and of "". The texts of the parts stay as they are. InputError if it is no JSON object.
  static Preparation parse(std::string_view json);

  bool empty() const { return parts_.empty(); }
  bool has(const std::string& part) const { return parts_.contains(part); }
  const std::string& get(const std::string& part) const;  ///< "" if there is no such part
  void set(const std::string& part, std::string json) { parts_[part] = std::move(json); }

  /// Parts in alphabetical order; "" if there are none.
  std::string json() const;

 private:
  std::map<std::string, std::string> parts_;
};

}  // namespace lathe::nas
