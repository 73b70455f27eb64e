# Finds Highway's headers and defines Highway::headers (static dispatch needs no library) and, for builds with
# sanitizers, whose assertions call into it, Highway::hwy.
find_path(Highway_INCLUDE_DIR NAMES hwy/highway.h)
find_library(Highway_LIBRARY NAMES hwy)
mark_as_advanced(Highway_INCLUDE_DIR Highway_LIBRARY)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Highway REQUIRED_VARS Highway_INCLUDE_DIR Highway_LIBRARY)
if(Highway_FOUND AND NOT TARGET Highway::headers)
  add_library(Highway::headers INTERFACE IMPORTED)
  set_target_properties(Highway::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${Highway_INCLUDE_DIR}")
  add_library(Highway::hwy UNKNOWN IMPORTED)
  set_target_properties(Highway::hwy PROPERTIES IMPORTED_LOCATION "${Highway_LIBRARY}")
endif()
