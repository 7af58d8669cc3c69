/* Sends 10,000 samples to a StatsD server: ./send [HOST [PORT]] */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static const char *argument(int argc, char **argv, int n, const char *name, const char *otherwise) {
    const char *set = getenv(name);
    return argc > n ? argv[n] : set ? set : otherwise;
}
static int connect_udp(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) fd = -1;
    freeaddrinfo(found);
    return fd;
}
int main(int argc, char **argv) {
    int fd = connect_udp(argument(argc, argv, 1, "STATSD_HOST", "127.0.0.1"), argument(argc, argv, 2, "STATSD_PORT", "9125"));
    if (fd < 0) return fprintf(stderr, "send: no such address\n"), 1;
    for (int i = 1; i <= 1250; i++) {
        char lines[512];
        int length = snprintf(lines, sizeof lines,
                              "client.requests:1|c|#route:%s,method:%s\nclient.bytes:%d|c\n"
                              "client.queue_depth:%d|g\nclient.queue_depth:-3|g\nclient.request_time:%d|ms\n"
                              "client.job_seconds:0.75|h|@0.25\nclient.response_size:%d|d\nclient.users:u%d|s",
                              "/orders", "GET", i, i, i % 4 * 250, i % 8, i % 100);
        /* A failed send is ignored: it must not disturb what is being measured. */
        (void)!send(fd, lines, (size_t)length, 0);
        /* UDP has no brake but the sender's. */
        if (i % 10 == 0) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}
