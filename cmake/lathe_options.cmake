# Options. Everything optional switches itself off where its package is missing and says so; LATHE_REQUIRE_<PART>=ON makes
# that an error. Tests, examples, benchmarks and warnings as errors are for lathe's own tree, off when it is embedded.
option(LATHE_MINIMAL "Engine and search engine only: no SQLite, no third-party header" OFF)
option(LATHE_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LATHE_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(LATHE_BENCH "Build the benchmarks" OFF)
option(LATHE_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})
set(LATHE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
foreach(part IN ITEMS SQLITE POSTGRESQL JSON TOML CLI11 UTF8PROC ONEDNN TESTS)
  option(LATHE_REQUIRE_${part} "Stop when ${part} is missing" OFF)
endforeach()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
