// What LAMMPS calls when it loads vitrionplugin.so: checks that the pair style was built for this LAMMPS and
// this MPI, then loads it from vitrionpair.so beside this file and registers it.
//
// Nothing of the host is used here but C functions that are looked up by name: classes and even functions of
// another version may be others, and the loader of the system would only name a symbol that is missing.

#include "lmptype.h"
#include "vitrion_register.h"

#include <mpi.h>

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <string>

#ifndef VITRION_LAMMPS_VERSION
#error "VITRION_LAMMPS_VERSION is the version of the LAMMPS headers as a number, such as 20250722"
#endif

using namespace LAMMPS_NS;

namespace {

const char *family(const char *library)
{
  if (strstr(library, "STUBS")) return "no MPI";
  if (strstr(library, "Open MPI")) return "Open MPI";
  for (const char *name : {"MPICH", "Intel(R) MPI", "MVAPICH"})
    if (strstr(library, name)) return "MPICH";
  return library;
}

#if defined(OPEN_MPI)
const char *const BUILT_FOR = "Open MPI";
#elif defined(MPICH_VERSION) || defined(I_MPI_VERSION)
const char *const BUILT_FOR = "MPICH";
#else
const char *const BUILT_FOR = "no MPI";
#endif

template <typename Function> Function *find(const char *name)
{
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}

bool refuse(const char *what, const char *found, const char *expected)
{
  fprintf(stderr,
          "ERROR: vitrionplugin.so does not fit this LAMMPS: %s is %s, but the plugin was built for "
          "%s. pair_style vitrion is not available; build the plugin again for this LAMMPS (build.sh "
          "in the lammps folder of vitrion).\n",
          what, found, expected);
  return false;
}

// whether classes of the host look as they did when the pair style was compiled
bool fits(void *lmp)
{
  char found[256], expected[64];
  if (auto *version = find<int(void *)>("lammps_version")) {
    const int number = version(lmp);
    snprintf(found, sizeof(found), "%d", number);
    snprintf(expected, sizeof(expected), "%d", VITRION_LAMMPS_VERSION);
    if (number != VITRION_LAMMPS_VERSION) return refuse("its version", found, expected);
  } else {
    return refuse("its version", "unknown (it has no function lammps_version)", "one that tells");
  }

  if (auto *setting = find<int(void *, const char *)>("lammps_extract_setting")) {
    const struct {
      const char *name;
      int size;
    } sizes[] = {{"tagint", (int) sizeof(tagint)},
                 {"imageint", (int) sizeof(imageint)},
                 {"bigint", (int) sizeof(bigint)}};
    for (const auto &type : sizes) {
      const int size = setting(lmp, type.name);
      snprintf(found, sizeof(found), "%d bytes", size);
      snprintf(expected, sizeof(expected), "%d (LAMMPS_SIZES)", type.size);
      if (size != type.size) return refuse(type.name, found, expected);
    }
  }

  const char *running = "no MPI";
  static char library[8192];    // MPI_MAX_LIBRARY_VERSION_STRING of any of them
  int length = 0;
  if (auto *tell = find<int(char *, int *)>("MPI_Get_library_version")) {
    tell(library, &length);
    running = family(library);
  }
  if (strcmp(running, BUILT_FOR) != 0) {
    snprintf(found, sizeof(found), "%.200s", running);
    return refuse("its MPI", found, BUILT_FOR);
  }
  return true;
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *regfunc)
{
  if (!fits(lmp)) return;
  Dl_info self;
  std::string path;
  if (dladdr(reinterpret_cast<void *>(lammpsplugin_init), &self)) path = self.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "vitrionpair.so";
  void *pair = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto *enter = pair ? reinterpret_cast<decltype(&vitrion_register)>(dlsym(pair, "vitrion_register")) : nullptr;
  if (enter)
    enter(lmp, handle, regfunc);
  else
    fprintf(stderr,
            "ERROR: vitrionplugin.so cannot load the pair style: %s. Both files belong together; build them again for "
            "this LAMMPS (build.sh in the lammps folder of vitrion).\n",
            dlerror());
}
