/* Vitrion's potentials for programs that have atoms and neighbour lists of their own.
 *
 * Units: Angstrom, eV. Cartesian vectors are three numbers in a row. Indices start from 0.
 * Generated from crates/vitrion-capi/src/c.rs: do not edit. */

#ifndef VITRION_H
#define VITRION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 Version of this interface: it grows when a function or structure changes. Compare with vitrion_abi().
 */
#define VITRION_ABI 1

/*
 How a call ended; vitrion_last_error() says more.
 */
typedef enum vitrion_status {
  VITRION_STATUS_OK = 0,
  /*
   A pointer that is NULL and must not be, or a number without a meaning.
   */
  VITRION_STATUS_BAD_ARGUMENT = 1,
  /*
   A model that cannot be read, or models that make no committee.
   */
  VITRION_STATUS_BAD_MODEL = 2,
  /*
   A symbol or a type that the potential does not know.
   */
  VITRION_STATUS_BAD_TYPE = 3,
  /*
   A neighbour list that is none, or belongs to other atoms or types.
   */
  VITRION_STATUS_BAD_LIST = 4,
  /*
   A position, an energy or a force that is not finite; see vitrion_failed_atom().
   */
  VITRION_STATUS_NOT_FINITE = 5,
  /*
   A fault of the library itself: a panic that was caught, or threads that cannot be had.
   */
  VITRION_STATUS_INTERNAL = 6,
} vitrion_status;

/*
 Arithmetic.
 */
typedef enum vitrion_arithmetic {
  /*
   Nets in single precision, everything else in double: forces to about 1e-5 eV/A, fastest.
   */
  VITRION_ARITHMETIC_MIXED = 0,
  /*
   Double precision throughout.
   */
  VITRION_ARITHMETIC_DOUBLE = 1,
} vitrion_arithmetic;

/*
 One potential or a committee of them, with a neighbour list. One thread at a time may use it.
 */
typedef struct vitrion_model vitrion_model;

/*
 How models are evaluated.
 */
typedef struct vitrion_options {
  /*
   A vitrion_arithmetic.
   */
  int arithmetic;
  /*
   Threads of this process, at least 1. Results do not depend on it.
   */
  int threads;
} vitrion_options;

/*
 A full neighbour list: every neighbour of every centre within the cut-off, and any number beyond it.
 Copies of atoms (periodic images, atoms of other processes) are atoms of their own.
 */
typedef struct vitrion_neighbors {
  /*
   Number of atoms whose energies are wanted.
   */
  size_t n_centers;
  /*
   Their indices, [n_centers].
   */
  const int *centers;
  /*
   Number of neighbours of an atom, by the index of the atom.
   */
  const int *counts;
  /*
   Neighbours of an atom, by the index of the atom: counts[i] indices.
   */
  const int *const *rows;
  /*
   What of a number in rows is an index; -1 if nothing else is in it.
   */
  int mask;
} vitrion_neighbors;

/*
 What an evaluation leaves. Arrays that are NULL are not wanted.
 */
typedef struct vitrion_results {
  /*
   Written: potential energy of the centres [eV].
   */
  double energy;
  /*
   Written: W = -dE/d(strain) of the centres, row by row [eV]; positive pushes outwards.
   */
  double virial[9];
  /*
   Added to: forces [eV/A], [n_atoms][3]. Those on copies belong to the atoms they are copies of.
   */
  double *forces;
  /*
   Added to: energies of the centres [eV], [n_atoms].
   */
  double *atom_energies;
  /*
   Added to: virials by atom [eV], [n_atoms][9]; that of a pair belongs to the neighbour.
   */
  double *atom_virials;
  /*
   Written, and if not NULL all models are evaluated: [members][n_atoms][3] forces [eV/A].
   */
  double *member_forces;
  /*
   Written: [members][9] virials [eV]; not without member_forces.
   */
  double *member_virials;
  /*
   Written: [members] energies [eV]; not without member_forces.
   */
  double *member_energies;
} vitrion_results;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The version of this interface that the library was built with.
 */
uint32_t vitrion_abi(void);

/*
 Version of vitrion, for people.
 */
const char *vitrion_version(void);

/*
 What went wrong in the last call of this thread that did not return Ok; "" if none did. Valid until the
 next call of this thread.
 */
const char *vitrion_last_error(void);

/*
 Loads one model, or several of a committee (the first moves the atoms): files of vitrion (.safetensors)
 or DeePMD-kit (.pb, .dp, .yaml, .json), or "builtin:NAME". NULL options are mixed arithmetic, one thread.

 # Safety
 `names` are `count` strings that end with zero; `options` is NULL or valid; `model` can be written.
 */
enum vitrion_status vitrion_open(const char *const *names,
                                 size_t count,
                                 const struct vitrion_options *options,
                                 struct vitrion_model **model);

/*
 Frees a model; NULL is none.

 # Safety
 `model` came from vitrion_open and is not used again.
 */
void vitrion_close(struct vitrion_model *model);

/*
 Interaction range [A]; not a number for NULL.

 # Safety
 `model` is NULL or came from vitrion_open.
 */
double vitrion_cutoff(const struct vitrion_model *model);

/*
 Number of models; 0 for NULL.

 # Safety
 `model` is NULL or came from vitrion_open.
 */
size_t vitrion_members(const struct vitrion_model *model);

/*
 Symbol of species number `index` of the potential; NULL beyond the last. Valid as long as the model.

 # Safety
 `model` is NULL or came from vitrion_open.
 */
const char *vitrion_species(const struct vitrion_model *model,
                            size_t index);

/*
 Bytes of the neighbour list and of arrays by atom that the model keeps.

 # Safety
 `model` is NULL or came from vitrion_open.
 */
size_t vitrion_memory(const struct vitrion_model *model);

/*
 Says what the types of atoms are: type t is the element `symbols[t]`; NULL for atoms that the potential
 does not see. Without this call, types are the species of the potential. The list is forgotten.

 # Safety
 `model` came from vitrion_open; `symbols` are `count` strings that end with zero, or NULL.
 */
enum vitrion_status vitrion_map_types(struct vitrion_model *model,
                                      const char *const *symbols,
                                      size_t count);

/*
 Takes over a new neighbour list of `n_atoms` atoms, copies included. Call it whenever the list, the
 number or the types of atoms have changed; nothing of the caller is kept.

 # Safety
 `model` came from vitrion_open; `types` has `n_atoms` entries; the list is as described there.
 */
enum vitrion_status vitrion_set_neighbors(struct vitrion_model *model,
                                          size_t n_atoms,
                                          const int *types,
                                          const struct vitrion_neighbors *neighbors);

/*
 Energy, forces and virials of the centres at these positions [A], [n_atoms][3], of the types for which
 the list was given.

 # Safety
 `model` came from vitrion_open; arrays have the sizes that are said.
 */
enum vitrion_status vitrion_compute(struct vitrion_model *model,
                                    size_t n_atoms,
                                    const int *types,
                                    const double *positions,
                                    struct vitrion_results *results);

/*
 The atom whose position, energy or force was not finite in the last evaluation; -1 if there was none.

 # Safety
 `model` is NULL or came from vitrion_open.
 */
int64_t vitrion_failed_atom(const struct vitrion_model *model);

/*
 Disagreement about forces: out[i] = sqrt(mean over members of |F_i - mean F_i|^2) [eV/A] of the first
 `n_atoms` atoms of `forces`, [members][stride][3]. Forces on copies must be added to their atoms first.

 # Safety
 `forces` and `out` have these sizes.
 */
enum vitrion_status vitrion_force_deviation(size_t members,
                                            size_t n_atoms,
                                            size_t stride,
                                            const double *forces,
                                            double *out);

/*
 Disagreement about the virial: out[ab] = standard deviation over members of W_ab / n_atoms [eV], where
 `virials`, [members][9], are those of all `n_atoms` atoms of all processes.

 # Safety
 `virials` has this size, and `out` nine numbers.
 */
enum vitrion_status vitrion_virial_deviation(size_t members,
                                             size_t n_atoms,
                                             const double *virials,
                                             double *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VITRION_H */
