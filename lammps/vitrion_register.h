// What vitrionplugin.so calls in vitrionpair.so once it is known to fit the host.

#ifndef VITRION_REGISTER_H
#define VITRION_REGISTER_H

extern "C" __attribute__((visibility("default"))) void vitrion_register(void *lmp, void *handle, void *regfunc);

#endif
