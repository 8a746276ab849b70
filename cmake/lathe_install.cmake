# Installation: libraries, public headers under include/lathe/<folder>/, and a package for find_package(lathe).
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY LATHE_LIBRARIES)
get_property(headers GLOBAL PROPERTY LATHE_PUBLIC_HEADERS)
install(TARGETS lathe_flags ${libraries} EXPORT lathe_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(lathe_flags PROPERTIES EXPORT_NAME flags)
foreach(header IN LISTS headers)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lathe/${folder})
endforeach()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/lathe)
install(EXPORT lathe_targets NAMESPACE lathe:: DESTINATION ${package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lathe-config.cmake.in ${PROJECT_BINARY_DIR}/lathe-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lathe-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lathe-config.cmake ${PROJECT_BINARY_DIR}/lathe-config-version.cmake DESTINATION ${package})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/lathe)
