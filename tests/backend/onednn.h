// What the tests of the overlay `onednn` share.
#pragma once
#include <doctest/doctest.h>
#include <lathe/tensor/backend.h>

namespace lathe::test {

/// The table, or null and a message that lets ctest count the program as skipped.
inline const Kernels<float>* onednn() {
  const Kernels<float>* table = find_backend("onednn");
  if (!table) MESSAGE("SKIPPED: lathe was built without oneDNN, or oneDNN does not run here (SKIPPED TEST PROGRAM)");
  return table;
}

}  // namespace lathe::test
