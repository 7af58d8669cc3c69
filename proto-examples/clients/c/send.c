/* Sends samples to a StatsD server: ./send HOST PORT */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int connect_udp(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) fd = -1;
    freeaddrinfo(found);
    return fd;
}

/* A failed send is ignored: it must not disturb what is being measured. */
static void send_sample(int fd, const char *line) { (void)!send(fd, line, strlen(line), 0); }

int main(int argc, char **argv) {
    int fd = connect_udp(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? argv[2] : "9125");
    if (fd < 0) {
        fprintf(stderr, "send: no such address\n");
        return 1;
    }
    char line[256];
    for (int count = 1; count <= 2; count++) {
        snprintf(line, sizeof line, "client.requests:%d|c|#route:%s,method:%s", count, "/orders", "GET");
        send_sample(fd, line);
    }
    send_sample(fd, "client.queue_depth:40|g");
    send_sample(fd, "client.queue_depth:-3|g");
    send_sample(fd, "client.request_time:320|ms");
    send_sample(fd, "client.job_seconds:0.75|h|@0.25");
    send_sample(fd, "client.users:ada|s");
    send_sample(fd, "client.users:grace|s");
}
