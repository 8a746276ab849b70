// Private: reads the small JSON texts that studies consist of, member by member: points, and what Optuna keeps in its columns.
#pragma once
#include <lathe/nas/value.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lathe::nas {

class JsonReader {
 public:
  /// `what` names the text in messages: "point `{…`, column 3: expected `:`". Both must outlive the reader.
  JsonReader(std::string_view what, std::string_view json) : what_(what), json_(json) {}

  /// Calls `member` at each value of an object; it must read that value.
  void object(const std::function<void(const std::string& name)>& member);
  /// Calls `element` at each value of an array; it must read that value.
  void array(const std::function<void()>& element);
  /// A text, a number, true or false.
  Value scalar();
  bool null();  ///< reads `null`, if it is next
  std::string text();
  double number();
  bool flag();
  void skip();             ///< a value of any kind
  std::string_view raw();  ///< the same, as it stands
  void end();              ///< nothing may follow
  [[noreturn]] void fail(const std::string& expected) const;

 private:
  void blanks();
  bool take(char c);
  void expect(char c);
  std::uint32_t hex4();
  void escape(std::string& out);

  std::string_view what_, json_;
  std::size_t at_ = 0;
};

}  // namespace lathe::nas
