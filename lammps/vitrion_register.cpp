// Tells LAMMPS of pair_style vitrion.

#include "vitrion_register.h"

#include "pair_vitrion.h"

#include "vitrion.h"

#include "lammps.h"

#include <cstdio>

using namespace LAMMPS_NS;

namespace {

// as in LAMMPS' lammpsplugin.h
struct Plugin {
  const char *version;
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  Pair *(*creator)(LAMMPS *);
  void *handle;
};
using Register = void(Plugin *, void *);

Pair *make(LAMMPS *lmp)
{
  return new PairVitrion(lmp);
}

}    // namespace

void vitrion_register(void *lmp, void *handle, void *regfunc)
{
  if (vitrion_abi() != VITRION_ABI) {
    fprintf(stderr, "ERROR: vitrion's library has interface %u, but the pair style was compiled with %d\n",
            vitrion_abi(), VITRION_ABI);
    return;
  }
  Plugin plugin = {};
  plugin.version = static_cast<LAMMPS *>(lmp)->version;
  plugin.style = "pair";
  plugin.name = "vitrion";
  plugin.info = "Deep Potentials evaluated by vitrion";
  plugin.author = "the vitrion authors";
  plugin.creator = make;
  plugin.handle = handle;
  reinterpret_cast<Register *>(regfunc)(&plugin, lmp);
}
