// Errors: one hierarchy, so that a host program catches lathe::Error and the command maps each kind to its exit code.
//
// A message is one line: what is wrong, where, what was expected, the nearest valid name. The library throws; it never
// prints, aborts or exits.
#pragma once
#include <stdexcept>
#include <string>

namespace lathe {

/// Base of everything that lathe throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller's input is wrong: arguments, shapes, configuration, data, files of the wrong kind. Exit code 2.
class InputError : public Error {
 public:
  using Error::Error;
};

/// The machine failed: disk full, lost lease, unreadable database. Running again may succeed. Exit code 3.
class InfrastructureError : public Error {
 public:
  using Error::Error;
};

/// A broken invariant inside lathe, thrown by LATHE_CHECK. Exit code 4.
class InternalError : public Error {
 public:
  using Error::Error;
};

/// The device has no kernel for an operation. Never a silent fallback.
class UnsupportedError : public InputError {
 public:
  UnsupportedError(const std::string& op, const std::string& device)
      : InputError("[" + op + "] is not available on device " + device), op_(op), device_(device) {}
  const std::string& op() const { return op_; }
  const std::string& device() const { return device_; }

 private:
  std::string op_, device_;
};

/// An allocation would pass the Context's accounted memory limit. In a search this fails the trial, not the study.
class MemoryLimitError : public Error {
 public:
  using Error::Error;
};

/// A loss or a gradient is NaN or infinite. In a search this fails the trial.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

namespace detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);
}

/// Internal invariant: throws InternalError with the condition and the place. For user errors throw InputError instead.
#define LATHE_CHECK(condition, ...)                                                                            \
  do {                                                                                                         \
    if (!(condition)) ::lathe::detail::check_failed(#condition, __FILE__, __LINE__, std::string(__VA_ARGS__)); \
  } while (false)

}  // namespace lathe
