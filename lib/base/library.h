#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Libraries that are opened when they are first needed. Each one that is linked costs every process
 * a tenth of a millisecond and more, whether it is used or not.
 */
struct library_function {
	const char *name;
	void *pointer_r; /* address of a pointer to a function of the right type */
};

/* The name of its file with this version of its interface. */
#ifdef __APPLE__
#define LIBRARY_FILE(name, version) name "." version ".dylib"
#else
#define LIBRARY_FILE(name, version) name ".so." version
#endif

/*
 * Open a library for the rest of this process's life and find n functions of it.
 *
 * name   "libpsl", for the message
 * files  names of its file, the first that is there is taken; ends with NULL
 * NULL, or what is wrong ("libpsl not installed", a function that it lacks: then no pointer may be
 * used). The text lives until the next call.
 */
const char *library_open(
    const char *name, const char *const *files, const struct library_function *rows, size_t n);

#endif
