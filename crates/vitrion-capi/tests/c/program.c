/* A host in C: four atoms and their images in a cubic cell, every function of vitrion.h, and everything
 * that must be refused. Prints "passed", or what is wrong. */

#include "vitrion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                        \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      printf("line %d: %s (last error: %s)\n", __LINE__, #condition, vitrion_last_error());     \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)
#define SAYS(text) CHECK(strstr(vitrion_last_error(), text) != NULL)

enum { LOCAL = 4, SIDE = 3, ALL = LOCAL * SIDE * SIDE * SIDE };
static const double EDGE = 8.0;
static const double ATOMS[LOCAL][3] = {{0.1, 0.2, 0.3}, {2.2, 0.1, 0.4}, {0.3, 2.4, 0.2}, {1.9, 1.8, 2.1}};

static double x[ALL][3];
static int types[ALL], centers[LOCAL], counts[LOCAL], *rows[LOCAL];

static double distance(int i, int j)
{
  double sum = 0.0;
  for (int k = 0; k < 3; k++) sum += (x[i][k] - x[j][k]) * (x[i][k] - x[j][k]);
  return sqrt(sum);
}

/* atoms first, then their images: of a cell that grew by the strain in direction k along direction l */
static void place(double strain, int k, int l)
{
  int n = 0;
  for (int image = 0; image < SIDE * SIDE * SIDE; image++) {
    /* 0 is the cell itself */
    const int shift[3] = {(image + 1) % SIDE - 1, (image / SIDE + 1) % SIDE - 1, (image / SIDE / SIDE + 1) % SIDE - 1};
    for (int i = 0; i < LOCAL; i++, n++) {
      for (int c = 0; c < 3; c++) x[n][c] = ATOMS[i][c] + EDGE * shift[c];
      x[n][l] += strain * x[n][k];
      types[n] = 1 + i % 3;
    }
  }
}

static double energy_of(vitrion_model *model)
{
  vitrion_results results;
  memset(&results, 0, sizeof(results));
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_OK);
  return results.energy;
}

static void derivatives(vitrion_model *model)
{
  const double h = 1e-4;
  double forces[ALL][3], energies[ALL], virials[ALL][9];
  memset(forces, 0, sizeof(forces));
  memset(energies, 0, sizeof(energies));
  memset(virials, 0, sizeof(virials));
  vitrion_results results;
  memset(&results, 0, sizeof(results));
  results.forces = &forces[0][0];
  results.atom_energies = energies;
  results.atom_virials = &virials[0][0];
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_OK);

  double sum = 0.0;
  for (int i = 0; i < ALL; i++) sum += energies[i];
  CHECK(fabs(sum - results.energy) < 1e-9 * fabs(sum));
  for (int i = 0; i < LOCAL; i++)
    for (int k = 0; k < 3; k++) {
      double total = 0.0, up, down;
      for (int image = i; image < ALL; image += LOCAL) total += forces[image][k];
      for (int image = i; image < ALL; image += LOCAL) x[image][k] += h;
      up = energy_of(model);
      for (int image = i; image < ALL; image += LOCAL) x[image][k] -= 2.0 * h;
      down = energy_of(model);
      for (int image = i; image < ALL; image += LOCAL) x[image][k] += h;
      CHECK(fabs(total + (up - down) / (2.0 * h)) < 1e-5);
    }
  for (int k = 0; k < 3; k++)
    for (int l = 0; l < 3; l++) {
      double up, down;
      place(h, k, l);
      up = energy_of(model);
      place(-h, k, l);
      down = energy_of(model);
      place(0.0, 0, 0);
      CHECK(fabs(results.virial[3 * k + l] + (up - down) / (2.0 * h)) < 1e-4);
      sum = 0.0;
      for (int i = 0; i < ALL; i++) sum += virials[i][3 * k + l];
      CHECK(fabs(sum - results.virial[3 * k + l]) < 1e-9);
    }
}

static void committee(vitrion_model *model)
{
  const size_t members = vitrion_members(model);
  CHECK(members == 2);
  double *forces = malloc(members * ALL * 3 * sizeof(double));
  double virials[2][9], energies[2], deviation[LOCAL], w[9];
  vitrion_results results;
  memset(&results, 0, sizeof(results));
  results.member_forces = forces;
  results.member_virials = &virials[0][0];
  results.member_energies = energies;
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_OK);
  CHECK(results.energy == energies[0] && energies[0] != energies[1]);
  CHECK(memcmp(results.virial, virials[0], sizeof(results.virial)) == 0);
  for (size_t m = 0; m < members; m++)
    for (int i = LOCAL; i < ALL; i++)
      for (int k = 0; k < 3; k++) forces[(m * ALL + i % LOCAL) * 3 + k] += forces[(m * ALL + i) * 3 + k];
  CHECK(vitrion_force_deviation(members, LOCAL, ALL, forces, deviation) == VITRION_STATUS_OK);
  for (int i = 0; i < LOCAL; i++) {
    double square = 0.0; /* two members: half their distance */
    for (int k = 0; k < 3; k++) square += pow(forces[3 * i + k] - forces[(ALL + i) * 3 + k], 2.0);
    CHECK(fabs(deviation[i] - 0.5 * sqrt(square)) < 1e-12);
  }
  CHECK(vitrion_virial_deviation(members, LOCAL, &virials[0][0], w) == VITRION_STATUS_OK);
  for (int k = 0; k < 9; k++) CHECK(fabs(w[k] - 0.5 * fabs(virials[0][k] - virials[1][k]) / LOCAL) < 1e-12);
  CHECK(vitrion_force_deviation(0, LOCAL, ALL, forces, deviation) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_force_deviation(2, ALL, LOCAL, forces, deviation) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_virial_deviation(2, LOCAL, NULL, w) == VITRION_STATUS_BAD_ARGUMENT);
  SAYS("virials is NULL");
  free(forces);
}

static void refusals(vitrion_model *model, const vitrion_neighbors *list)
{
  vitrion_model *none = model;
  const char *missing = "no-such-model.pb", *other = "model.txt", *good = "builtin:li-p-s-fast";
  CHECK(vitrion_open(&missing, 1, NULL, &none) == VITRION_STATUS_BAD_MODEL && none == NULL);
  SAYS("no-such-model.pb");
  CHECK(vitrion_open(&other, 1, NULL, &none) == VITRION_STATUS_BAD_MODEL);
  SAYS("unknown kind of model file");
  CHECK(vitrion_open(&good, 0, NULL, &none) == VITRION_STATUS_BAD_MODEL);
  CHECK(vitrion_open(NULL, 1, NULL, &none) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_open(&good, 1, NULL, NULL) == VITRION_STATUS_BAD_ARGUMENT);
  vitrion_options options = {VITRION_ARITHMETIC_DOUBLE, 0};
  CHECK(vitrion_open(&good, 1, &options, &none) == VITRION_STATUS_BAD_ARGUMENT);
  SAYS("threads is 0");
  options.threads = 1;
  options.arithmetic = 5;
  CHECK(vitrion_open(&good, 1, &options, &none) == VITRION_STATUS_BAD_ARGUMENT);
  vitrion_close(NULL);
  CHECK(isnan(vitrion_cutoff(NULL)) && vitrion_members(NULL) == 0 && vitrion_species(NULL, 0) == NULL);
  CHECK(vitrion_memory(NULL) == 0 && vitrion_failed_atom(NULL) == -1);

  const char *wrong[] = {NULL, "Li", "Xx"};
  CHECK(vitrion_map_types(model, wrong, 3) == VITRION_STATUS_BAD_TYPE);
  SAYS("no Xx: it knows Li P S");
  CHECK(vitrion_map_types(NULL, wrong, 1) == VITRION_STATUS_BAD_ARGUMENT);

  vitrion_results results;
  memset(&results, 0, sizeof(results));
  CHECK(vitrion_compute(model, ALL - 1, types, &x[0][0], &results) == VITRION_STATUS_BAD_LIST);
  CHECK(vitrion_compute(model, ALL, types, NULL, &results) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], NULL) == VITRION_STATUS_BAD_ARGUMENT);
  vitrion_neighbors bad = *list;
  bad.rows = NULL;
  CHECK(vitrion_set_neighbors(model, ALL, types, &bad) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_set_neighbors(model, ALL, types, NULL) == VITRION_STATUS_BAD_ARGUMENT);
  CHECK(vitrion_set_neighbors(model, 2, types, list) == VITRION_STATUS_BAD_LIST);
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_OK); /* as before */
  const int kept = rows[1][0];
  rows[1][0] = ALL;
  CHECK(vitrion_set_neighbors(model, ALL, types, list) == VITRION_STATUS_BAD_LIST);
  SAYS("neighbour 108 of atom 1");
  rows[1][0] = kept;
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_BAD_LIST);
  CHECK(vitrion_set_neighbors(model, ALL, types, list) == VITRION_STATUS_OK);
  x[2][0] = NAN;
  CHECK(vitrion_failed_atom(model) == -1);
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_NOT_FINITE);
  CHECK(vitrion_failed_atom(model) == 2);
  place(0.0, 0, 0);
  CHECK(vitrion_compute(model, ALL, types, &x[0][0], &results) == VITRION_STATUS_OK);
  CHECK(vitrion_failed_atom(model) == -1);
}

int main(void)
{
  CHECK(vitrion_abi() == VITRION_ABI && strlen(vitrion_version()) > 0);
  CHECK(strlen(vitrion_last_error()) == 0);
  const char *names[] = {"builtin:li-p-s-fast", "builtin:li-p-s"};
  const vitrion_options options = {VITRION_ARITHMETIC_DOUBLE, 2};
  vitrion_model *model = NULL;
  CHECK(vitrion_open(names, 2, &options, &model) == VITRION_STATUS_OK);
  CHECK(strcmp(vitrion_species(model, 2), "S") == 0 && vitrion_species(model, 3) == NULL);
  CHECK(fabs(vitrion_cutoff(model) - 6.5) < 1e-12);
  const char *symbols[] = {NULL, "Li", "P", "S"};
  CHECK(vitrion_map_types(model, symbols, 4) == VITRION_STATUS_OK);

  place(0.0, 0, 0);
  for (int i = 0; i < LOCAL; i++) {
    centers[i] = i;
    rows[i] = malloc(ALL * sizeof(int));
    for (int j = 0; j < ALL; j++)
      if (j != i && distance(i, j) < vitrion_cutoff(model) + 0.5) rows[i][counts[i]++] = j;
  }
  const vitrion_neighbors list = {LOCAL, centers, counts, (const int *const *) rows, -1};
  CHECK(vitrion_set_neighbors(model, ALL, types, &list) == VITRION_STATUS_OK);
  CHECK(vitrion_memory(model) > 0);
  derivatives(model);
  committee(model);
  refusals(model, &list);
  vitrion_close(model);
  for (int i = 0; i < LOCAL; i++) free(rows[i]);
  printf("passed\n");
  return 0;
}
