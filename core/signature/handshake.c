/* SPDX-License-Identifier: MIT */
/* Looks on at handshakes of TLS that somebody else makes: whether the other side asked for a
 * certificate. With TLS 1.3 it refuses one, or that there is none, only once the connection stands,
 * and its alert is lost if the connection breaks before it was read. */
#include "signature/signature.h"

#include <openssl/ssl.h>

static char asked; /* its address says so */

static void on_message(int is_sent, int version, int content_type, const void *bytes, size_t len,
                       SSL *ssl, void *ctx)
{
    (void)version;
    (void)ctx;
    const unsigned char *message = bytes;
    if (!is_sent && content_type == SSL3_RT_HANDSHAKE && len > 0 &&
        message[0] == SSL3_MT_CERTIFICATE_REQUEST)
        (void)SSL_CTX_set_app_data(SSL_get_SSL_CTX(ssl), &asked);
}

void *handshake_watch(void *tls_context)
{
    check(SSL_CTX_up_ref(tls_context) == 1);
    SSL_CTX_set_msg_callback(tls_context, on_message);
    return tls_context;
}

bool handshake_asked(const void *tls_context)
{
    return tls_context && SSL_CTX_get_app_data((const SSL_CTX *)tls_context) == &asked;
}

void handshake_forget(void *tls_context)
{
    SSL_CTX_free(tls_context);
}
