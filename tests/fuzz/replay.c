/*
 * main() for a fuzz target without libFuzzer: feed it every file of the folders and files named,
 * so that the corpus is part of the ordinary tests. An empty corpus is an error.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	if (f == NULL || fstat(fileno(f), &st) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size_t n = (size_t)st.st_size;
	/* exactly sized, so that reading past the end is seen by a sanitizer */
	uint8_t *data = malloc(n == 0 ? 1 : n);
	if (data == NULL || fread(data, 1, n, f) != n) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

static unsigned
replay(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;
	char name[4096];

	if (dir == NULL)
		return replay_file(path);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		count += replay_file(name);
	}
	closedir(dir);
	return count;
}

int
main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += replay(argv[i]);
	printf("%u inputs replayed\n", count);
	return count == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
