/* SPDX-License-Identifier: MIT */
/* Certificates of TLS as PEM: whether they can be used, asked when scripts load, so that a mistake
 * is not found by the first attempt. */
#include "signature/signature.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* A key that is asked for its pass phrase is refused, not waited for. */
static int refuse_phrase(char *text, int size, int is_writing, void *ctx)
{
    (void)text, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

static X509 *read_first(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, refuse_phrase, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

enum status certificates_check(struct slice pem, struct err *err)
{
    X509 *certificate = read_first(pem);
    X509_free(certificate);
    return certificate
               ? OK
               : err_set(err, E_INVALID, "it holds no certificate in PEM (BEGIN CERTIFICATE)");
}

enum status certificate_check_key(struct slice certificates, struct slice key, struct err *err)
{
    X509 *certificate = read_first(certificates);
    BIO *bio = BIO_new_mem_buf(key.data, (int)key.len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_phrase, NULL) : NULL;
    enum status status = OK;
    if (!pkey)
        status =
            err_set(err, E_INVALID,
                    "it holds no private key in PEM (BEGIN PRIVATE KEY) without a pass phrase");
    else if (!certificate || X509_check_private_key(certificate, pkey) != 1)
        status = err_set(err, E_INVALID, "it is not the key of the certificate");
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    X509_free(certificate);
    ERR_clear_error();
    return status;
}
