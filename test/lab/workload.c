/*
 * Fills a guest's memory with pages of known kinds, each marked with its kind, and then sleeps for ever.
 *
 *   workload NAME [KIND=AMOUNT ...]
 *     anon=MiB      anonymous memory in small pages; every eighth page is touched but zero
 *     thp=MiB       anonymous memory in transparent huge pages
 *     locked=MiB    anonymous memory that is mlocked (the unevictable list)
 *     hugetlb=N     pages of the hugetlb pool
 *     shared=MiB    a shared anonymous mapping (shmem), also seen by a child
 *     cow=MiB       private memory, shared with a child that has rewritten half of it
 *     file=PATH     a shared read-only mapping of a file, every page touched
 *     dirty=PATH    a file of 1 MiB that is written and not synced
 *     pipe=KiB      a pipe that holds text
 *     threads=N
 *     remove=PATH   the file is removed (init does this to the shell that started everything)
 *
 * NAME becomes the comm of the process, and part of the pattern.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ul
#define LINE 256ul
#define MIB (1ul << 20)
#define HUGE_PAGE (2 * MIB)

static const char *name;

/** Every page says what it is; the last lines differ from page to page, so that no two pages are equal. */
static void fill(char *start, size_t length, const char *kind, int with_zero_pages)
{
	for (size_t offset = 0; offset < length; offset += PAGE) {
		char *page = start + offset;
		if (with_zero_pages && (offset / PAGE) % 8 == 7) {
			memset(page, 0, PAGE);
			continue;
		}
		for (size_t at = 0; at < PAGE; at += LINE)
			snprintf(page + at, LINE, "%s of %s, page %06zu, line %02zu", kind, name, offset / PAGE, at / LINE);
	}
}

static char *map(size_t length, int flags)
{
	char *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
	if (start == MAP_FAILED)
		err(1, "%s: mmap of %zu bytes", name, length);
	return start;
}

static void anon(size_t length, const char *kind)
{
	char *start = map(length, MAP_PRIVATE);
	madvise(start, length, MADV_NOHUGEPAGE);
	fill(start, length, kind, 1);
	if (!strcmp(kind, "locked") && mlock(start, length))
		err(1, "%s: mlock", name);
}

static void transparent_huge(size_t length)
{
	char *start = map(length + HUGE_PAGE, MAP_PRIVATE);
	start = (char *)(((unsigned long)start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(start, length, MADV_HUGEPAGE);
	fill(start, length, "thp", 0);
}

static void hugetlb(long pages)
{
	fill(map(pages * HUGE_PAGE, MAP_PRIVATE | MAP_HUGETLB), pages * HUGE_PAGE, "hugetlb", 0);
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void in_child(char *start, size_t length, const char *kind)
{
	if (fork())
		return;
	prctl(PR_SET_NAME, kind);
	if (!strcmp(kind, "cow-child"))
		fill(start, length / 2, "cow copy", 0);
	else
		for (size_t offset = 0; offset < length; offset += PAGE)
			(void)*(volatile char *)(start + offset);
	sleep_for_ever();
}

static void shared(size_t length)
{
	char *start = map(length, MAP_SHARED);
	fill(start, length, "shmem", 0);
	in_child(start, length, "shmem-child");
}

static void copy_on_write(size_t length)
{
	char *start = map(length, MAP_PRIVATE);
	madvise(start, length, MADV_NOHUGEPAGE);
	fill(start, length, "cow", 0);
	in_child(start, length, "cow-child");
}

static void mapped_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat info;
	if (fd < 0 || fstat(fd, &info))
		err(1, "%s: %s", name, path);
	char *start = mmap(NULL, info.st_size, PROT_READ, MAP_SHARED, fd, 0);
	for (off_t offset = 0; offset < info.st_size; offset += PAGE)
		(void)*(volatile char *)(start + offset);
}

static void dirty_file(const char *path)
{
	char *text = map(MIB, MAP_PRIVATE);
	fill(text, MIB, "dirty file", 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, MIB) != (ssize_t)MIB)
		err(1, "%s: %s", name, path);
	munmap(text, MIB);
}

static void full_pipe(size_t length)
{
	int ends[2];
	char *text = map(length, MAP_PRIVATE);
	fill(text, length, "pipe", 0);
	if (pipe(ends) || write(ends[1], text, length) != (ssize_t)length)
		err(1, "%s: pipe", name);
	munmap(text, length);
}

static void *thread(void *number)
{
	char comm[16];
	snprintf(comm, sizeof comm, "%.10s/t%ld", name, (long)number);
	prctl(PR_SET_NAME, comm);
	sleep_for_ever();
	return NULL;
}

int main(int argc, char **argv)
{
	name = argc > 1 ? argv[1] : "workload";
	prctl(PR_SET_NAME, name);
	for (int i = 2; i < argc; i++) {
		const char *amount = strchr(argv[i], '=') ? strchr(argv[i], '=') + 1 : "";
		const char *kind = strndup(argv[i], strcspn(argv[i], "="));
		long n = atol(amount);
		if (!strcmp(kind, "anon") || !strcmp(kind, "locked"))
			anon(n * MIB, kind);
		else if (!strcmp(kind, "thp"))
			transparent_huge(n * MIB);
		else if (!strcmp(kind, "hugetlb"))
			hugetlb(n);
		else if (!strcmp(kind, "shared"))
			shared(n * MIB);
		else if (!strcmp(kind, "cow"))
			copy_on_write(n * MIB);
		else if (!strcmp(kind, "file"))
			mapped_file(amount);
		else if (!strcmp(kind, "dirty"))
			dirty_file(amount);
		else if (!strcmp(kind, "pipe"))
			full_pipe(n * 1024);
		else if (!strcmp(kind, "remove"))
			unlink(amount);
		else if (!strcmp(kind, "threads"))
			for (pthread_t id; n > 0; n--)
				pthread_create(&id, NULL, thread, (void *)n);
		else
			errx(1, "%s: unknown kind %s", name, kind);
	}
	printf("%s is up, pid %d\n", name, getpid());
	fflush(stdout);
	sleep_for_ever();
}
