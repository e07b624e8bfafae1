#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, RFC 3720 s12.1): finds torn and zero-filled files; it is no protection against people.
 * crc is 0 for the first piece and the last result for each further one. Pure.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

#endif
