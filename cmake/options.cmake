# Options, the flags that every host file gets, and helpers of the other lists.
option(FUSELAGE_BUILD_CLI "Build the program fuselage" ${PROJECT_IS_TOP_LEVEL})
option(FUSELAGE_BUILD_BENCH "Build bench/" ${PROJECT_IS_TOP_LEVEL})
option(FUSELAGE_BUILD_EXAMPLES "Build examples/" ${PROJECT_IS_TOP_LEVEL})
option(FUSELAGE_WERROR "Treat warnings as errors" ${PROJECT_IS_TOP_LEVEL})
option(FUSELAGE_INSTALL "Generate the install rules" ${PROJECT_IS_TOP_LEVEL})
option(BUILD_SHARED_LIBS "Build fuselage as a shared library" OFF)
option(BUILD_TESTING "Build tests/" ${PROJECT_IS_TOP_LEVEL})
set(FUSELAGE_CUDA AUTO CACHE STRING "CUDA backend: AUTO (where nvcc works), ON, OFF")
set_property(CACHE FUSELAGE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(FUSELAGE_SANITIZE "" CACHE STRING "Value for -fsanitize of all host code, such as address,undefined")

if(PROJECT_IS_TOP_LEVEL)
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  # Vector kernels get -O3 by name (host/CMakeLists.txt); elsewhere it only costs build time.
  if(CMAKE_CXX_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
    set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  endif()
  if(BUILD_TESTING)
    enable_testing()
  endif()
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(FUSELAGE_X86 TRUE)
else()
  set(FUSELAGE_X86 FALSE)
endif()

# What users may include. Contraction to fma is spelled out in core/, never left to the compiler: part of the promise
# that every backend gives the same bits, so users of the headers get that flag as well. What nvcc compiles (losses of
# one's own) sees the kernels' headers beside.
add_library(fuselage_core INTERFACE)
add_library(fuselage::headers ALIAS fuselage_core)
set_target_properties(fuselage_core PROPERTIES EXPORT_NAME headers)
target_include_directories(fuselage_core INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                                                   "$<INSTALL_INTERFACE:include>")
set(FUSELAGE_NVCC_INTERFACE_FLAGS -fmad=false --expt-relaxed-constexpr -Xcompiler=-ffp-contract=off)
target_include_directories(fuselage_core INTERFACE
  "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:${PROJECT_SOURCE_DIR}>>"
  "$<INSTALL_INTERFACE:$<$<COMPILE_LANGUAGE:CUDA>:$<INSTALL_PREFIX>/include/fuselage/cuda>>")
target_compile_options(fuselage_core INTERFACE
  "$<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-ffp-contract=off>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${FUSELAGE_NVCC_INTERFACE_FLAGS}>")

# What our own host files get on top.
add_library(fuselage_flags INTERFACE)
target_include_directories(fuselage_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_link_libraries(fuselage_flags INTERFACE fuselage_core)
target_compile_options(fuselage_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-fno-math-errno;-fno-trapping-math;-Wall;-Wextra>"
  "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${FUSELAGE_WERROR}>>:-Werror>")
if(FUSELAGE_SANITIZE)
  target_compile_options(fuselage_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${FUSELAGE_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
  # A null pointer ends the program in any case, and these checks are a quarter of the time of compiling.
  target_compile_options(fuselage_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=null,vptr,object-size>")
  target_link_options(fuselage_flags INTERFACE "-fsanitize=${FUSELAGE_SANITIZE}")
endif()

# fuselage_glob(<variable> <pattern>...): the existing files that match, relative to the project's root.
function(fuselage_glob variable)
  list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/")
  file(GLOB files CONFIGURE_DEPENDS ${ARGN})
  set(${variable} "${files}" PARENT_SCOPE)
endfunction()
