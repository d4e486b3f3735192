# Mends defects of the ROS 2 wheels on PyPI (project ros-python-wheels) that are installed in the
# active virtual environment. Does nothing with a ROS 2 installed in the normal way.

if(NOT EXISTS "$ENV{VIRTUAL_ENV}/share/ament_cmake")
  return()
endif()
if(CMAKE_VERSION VERSION_LESS 3.21)
  message(FATAL_ERROR "ROS 2 from PyPI wheels needs CMake 3.21 or newer, found ${CMAKE_VERSION}: "
    "run 'pip install cmake' in the virtual environment")
endif()

# 1. The wheels have no setup.bash that would put their prefix on these paths.
foreach(path AMENT_PREFIX_PATH CMAKE_PREFIX_PATH)
  if(NOT ":$ENV{${path}}:" MATCHES ":$ENV{VIRTUAL_ENV}:")
    if("$ENV{${path}}" STREQUAL "")
      set(ENV{${path}} "$ENV{VIRTUAL_ENV}")
    else()
      set(ENV{${path}} "$ENV{${path}}:$ENV{VIRTUAL_ENV}")
    endif()
  endif()
endforeach()

# 2. Include directories of the *__rosidl_generator_py targets: those of the wheels name folders of the
# machine they were built on, and CMake refuses folders that do not exist; ours would export those of
# this environment, and CMake refuses them when it lies in the source tree (.venv).
# All targets are known when this folder has been read.
function(mend_include_directories)
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${imported})
    if(target MATCHES "__rosidl_generator_py$")
      set(existing "")
      get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
      foreach(directory ${directories})
        if(EXISTS "${directory}")
          list(APPEND existing "${directory}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
    endif()
  endforeach()
  set(ours ${PROJECT_NAME}__rosidl_generator_py)
  get_target_property(directories ${ours} INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(${ours} PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "$<BUILD_INTERFACE:${directories}>")
endfunction()
cmake_language(DEFER CALL mend_include_directories)
