# Installs the build BUILD, builds SOURCE against the installation alone, and runs it.
file(REMOVE_RECURSE ${WORK})
foreach(step IN ITEMS "${CMAKE_COMMAND};--install;${BUILD};--prefix;${WORK}/prefix"
        "${CMAKE_COMMAND};-S;${SOURCE};-B;${WORK}/build;-G;Ninja;-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCMAKE_CXX_COMPILER=${COMPILER}"
        "${CMAKE_COMMAND};--build;${WORK}/build" "${WORK}/build/consumer")
  execute_process(COMMAND ${step} OUTPUT_VARIABLE out ERROR_VARIABLE out RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${step} failed:\n${out}")
  endif()
endforeach()
file(GLOB_RECURSE leaks ${WORK}/prefix/*.cmake)
get_filename_component(tree ${SOURCE}/../.. ABSOLUTE)
foreach(file IN LISTS leaks)
  file(READ ${file} text)
  string(FIND "${text}" "${tree}" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "${file} names the source folder: the installation cannot be moved")
  endif()
endforeach()
