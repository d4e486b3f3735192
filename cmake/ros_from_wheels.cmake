# Mends two defects of the ROS 2 wheels on PyPI (project ros-python-wheels) that are installed in the
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

# 2. Their *__rosidl_generator_py targets name include folders of the machine they were built on;
# CMake refuses folders that do not exist. All targets are known when this folder has been read.
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    if(target MATCHES "__rosidl_generator_py$")
      get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
      set(existing "")
      foreach(directory ${directories})
        if(EXISTS "${directory}")
          list(APPEND existing "${directory}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL drop_missing_include_directories)
