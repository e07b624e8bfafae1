/*
 * Linked into the programs of a coverage build with --wrap=_exit: children leave by _exit(2), and what they ran
 * would be forgotten.
 */
extern void __gcov_dump(void);
extern void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
