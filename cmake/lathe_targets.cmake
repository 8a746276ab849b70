# lathe_library(<name> [SOURCES …] [HEADERS …] [DEPS …] [PRIVATE_DEPS …]): the target lathe::<name> of folder <name>.
# HEADERS are the public ones, relative to the folder: this one list makes build/include/lathe/<name>/, drives
# installation and the test that compiles every public header alone.
include(GNUInstallDirs)

add_library(lathe_flags INTERFACE)
target_compile_features(lathe_flags INTERFACE cxx_std_20)
# The numerics forbid contraction of a*b+c and every fast-math shortcut, in this code and in what includes it.
target_compile_options(lathe_flags INTERFACE -ffp-contract=off -fno-fast-math)
add_library(lathe_warnings INTERFACE)
target_compile_options(lathe_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
                       -Wno-missing-field-initializers  # designated initializers leave out what keeps its default
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # gcc 12 sees overlaps in std::string that cannot be
                       $<$<BOOL:${LATHE_WERROR}>:-Werror>)
if(LATHE_SANITIZE)
  # gcc 12 sees uninitialised values inside std::function and std::regex as soon as it instruments them.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # Left out: what the address sanitizer finds as well, and what takes a third of the time of compiling; and, by clang, null + n,
  # which is how the data of empty tensors is addressed and never read.
  add_compile_options(-fsanitize=${LATHE_SANITIZE} -fno-sanitize=null,object-size,vptr
                      $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=pointer-overflow> -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LATHE_SANITIZE})
endif()

set_property(GLOBAL PROPERTY LATHE_PUBLIC_HEADERS "")
set_property(GLOBAL PROPERTY LATHE_LIBRARIES "")
set(LATHE_INCLUDE_ROOT ${PROJECT_BINARY_DIR}/include)

function(lathe_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS")
  string(REPLACE "/" "_" target ${name})
  set(sources ${arg_SOURCES})
  if(sources)
    add_library(lathe_${target} STATIC ${sources})
    set(scope PUBLIC)
    set_target_properties(lathe_${target} PROPERTIES EXPORT_NAME ${target} POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
    target_link_libraries(lathe_${target} PRIVATE $<BUILD_INTERFACE:lathe_warnings>)
  else()
    add_library(lathe_${target} INTERFACE)
    set(scope INTERFACE)
    set_target_properties(lathe_${target} PROPERTIES EXPORT_NAME ${target})
  endif()
  add_library(lathe::${target} ALIAS lathe_${target})
  target_link_libraries(lathe_${target} ${scope} lathe_flags)
  target_include_directories(lathe_${target} ${scope} $<BUILD_INTERFACE:${LATHE_INCLUDE_ROOT}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(lathe_${target} ${scope} lathe_${dep})
  endforeach()
  if(arg_PRIVATE_DEPS)
    target_link_libraries(lathe_${target} PRIVATE ${arg_PRIVATE_DEPS})
  endif()
  foreach(header IN LISTS arg_HEADERS)
    set_property(GLOBAL APPEND PROPERTY LATHE_PUBLIC_HEADERS ${name}/${header})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY LATHE_LIBRARIES lathe_${target})
  # <lathe/name/…> in the build tree: a link to the source folder, a copy where links fail.
  string(REGEX REPLACE "/.*" "" top ${name})
  if(NOT EXISTS ${LATHE_INCLUDE_ROOT}/lathe/${top})
    file(MAKE_DIRECTORY ${LATHE_INCLUDE_ROOT}/lathe)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${top} ${LATHE_INCLUDE_ROOT}/lathe/${top} COPY_ON_ERROR SYMBOLIC)
  endif()
endfunction()

# lathe_test(<name> SOURCES … DEPS … [LABELS …] [TIMEOUT seconds]): one doctest program, one ctest case a program.
function(lathe_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS;ARGS")
  if(NOT TARGET lathe_test_main)  # compiled once, it takes longer than most tests
    add_library(lathe_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
    target_compile_features(lathe_test_main PRIVATE cxx_std_20)
  endif()
  if(NOT TARGET test_${name})
    add_executable(test_${name} ${arg_SOURCES} $<TARGET_OBJECTS:lathe_test_main>)
    target_link_libraries(test_${name} PRIVATE lathe_warnings)
    foreach(dep IN LISTS arg_DEPS)
      target_link_libraries(test_${name} PRIVATE ${dep})
    endforeach()
    target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR} ${LATHE_INCLUDE_ROOT})
    target_compile_features(test_${name} PRIVATE cxx_std_20)
  endif()
  # One target for each label that test.sh builds alone.
  foreach(pair IN ITEMS "conformance=conformance_tests" "threads=threaded_tests")
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 label)
    list(GET pair 1 group)
    if(NOT TARGET ${group})
      add_custom_target(${group})
    endif()
    if(label IN_LIST arg_LABELS)
      add_dependencies(${group} test_${name})
    endif()
  endforeach()
  # Those that end in a minute when a sanitizer slows them down.
  if(NOT TARGET short_tests)
    add_custom_target(short_tests)
  endif()
  if(NOT "exhaustive" IN_LIST arg_LABELS AND NOT "slow" IN_LIST arg_LABELS)
    add_dependencies(short_tests test_${name})
  endif()
  add_test(NAME ${name} COMMAND test_${name} ${arg_ARGS})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_REGULAR_EXPRESSION "SKIPPED TEST PROGRAM"
                       ENVIRONMENT "LATHE_SHARED=${PROJECT_SOURCE_DIR}/../shared")
endfunction()
