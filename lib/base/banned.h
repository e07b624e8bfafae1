#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/*
 * Functions that do not compile in lib/ and cmd/. The Makefile includes this file before every source
 * file there, so nobody has to remember it.
 *
 * Blocking calls stop ten thousand fibers at once: wait with io_wait() and io_sleep() of io/io.h,
 * resolve with dns/dns.h, run programs with io/child.h. lib/io (compiled with -DIO_MAY_BLOCK) is
 * where these are made of the real ones. Unbounded string functions: use struct buf, snprintf or
 * memcpy. Conversions without an error result: use base/text.h. Functions with static results:
 * the _r forms, or base/clock.h.
 *
 * The headers that declare them come first, or the macros would break the declarations.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BANNED(function) sorry_##function##_is_banned_see_base_banned_h

/* --- may block, outside of lib/io --- */
#ifndef IO_MAY_BLOCK
#define poll(...) BANNED(poll)
#define ppoll(...) BANNED(ppoll)
#undef select
#define select(...) BANNED(select)
#undef pselect
#define pselect(...) BANNED(pselect)
#define usleep(...) BANNED(usleep)
#define nanosleep(...) BANNED(nanosleep)
#define wait(...) BANNED(wait)
#define waitpid(...) BANNED(waitpid)
#define fork(...) BANNED(fork)
#define execv(...) BANNED(execv)
#define execve(...) BANNED(execve)
#define execvp(...) BANNED(execvp)
#define execl(...) BANNED(execl)
#define execlp(...) BANNED(execlp)
#endif
#define getaddrinfo(...) BANNED(getaddrinfo)
#define getnameinfo(...) BANNED(getnameinfo)
#define gethostbyname(...) BANNED(gethostbyname)
#define gethostbyname2(...) BANNED(gethostbyname2)
#define gethostbyaddr(...) BANNED(gethostbyaddr)
#define sleep(...) BANNED(sleep)
#define system(...) BANNED(system)
#define popen(...) BANNED(popen)
#define vfork(...) BANNED(vfork)

/* --- write without a bound --- */
#undef strcpy
#define strcpy(...) BANNED(strcpy)
#undef stpcpy
#define stpcpy(...) BANNED(stpcpy)
#undef strcat
#define strcat(...) BANNED(strcat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef gets
#define gets(...) BANNED(gets)
#undef alloca
#define alloca(...) BANNED(alloca)

/* --- leave text without its NUL, or hide that it was cut --- */
#undef strncpy
#define strncpy(...) BANNED(strncpy)
#undef strncat
#define strncat(...) BANNED(strncat)

/* --- cannot say that they failed --- */
#define atoi(...) BANNED(atoi)
#define atol(...) BANNED(atol)
#define atoll(...) BANNED(atoll)
#define atof(...) BANNED(atof)

/* --- state shared behind everybody's back, or guessable --- */
#undef strtok
#define strtok(...) BANNED(strtok)
#define localtime(...) BANNED(localtime)
#define gmtime(...) BANNED(gmtime)
#define ctime(...) BANNED(ctime)
#define asctime(...) BANNED(asctime)
#define inet_ntoa(...) BANNED(inet_ntoa)
#define inet_addr(...) BANNED(inet_addr)
#define rand(...) BANNED(rand)
#define srand(...) BANNED(srand)
#define random(...) BANNED(random)
#define mktemp(...) BANNED(mktemp)
#define tmpnam(...) BANNED(tmpnam)

#endif
