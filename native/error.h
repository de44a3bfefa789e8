// A failed system call as data: errno and the call's name. src/io makes a SystemError with a remedy of it.
#pragma once
#include <cerrno>

namespace esplanade {

struct Failure {
  int error = 0;
  const char* syscall = "";

  bool failed() const { return error != 0; }
  static Failure None() { return Failure(); }
  static Failure Last(const char* syscall) { return Failure{errno, syscall}; }
};

}  // namespace esplanade
