/* SPDX-License-Identifier: MIT */
/* The declarative signers. */
#include "signature/signature.h"

#include "signature/standard_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNATURES_BYTES_MAX 1024

const struct standard_names standard_names = {"webhook-id", "webhook-timestamp",
                                              "webhook-signature"};
const struct standard_names svix_names = {"svix-id", "svix-timestamp", "svix-signature"};

void signer_destroy(struct signer *signer)
{
    if (!signer)
        return;
    free(signer->header);
    free(signer->prefix);
    key_set_finish(&signer->keys);
    free(signer);
}

static enum status encode(enum encoding encoding, struct slice bytes, struct buf *out)
{
    return encoding == ENCODING_HEX ? hex_encode(bytes, out) : base64_encode(bytes, out);
}

static enum status sign_hmac(const struct signer *signer, const struct sign_input *input,
                             struct buf *head)
{
    check(signer->keys.count > 0);
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t len = hmac(signer->digest, signer->keys.keys[0], &input->body, 1, digest);
    struct buf value;
    buf_init(&value, SIGNATURES_BYTES_MAX);
    enum status status = buf_add_str(&value, signer->prefix);
    if (status == OK)
        status = encode(signer->encoding, slice_of((const char *)digest, len), &value);
    if (status == OK)
        status = head_add(head, slice_str(signer->header), buf_slice(&value));
    buf_finish(&value);
    return status;
}

/* One signature a key, while a secret rotates. */
static enum status sign_content(const struct signer *signer, const struct slice content[5],
                                struct buf *value)
{
    enum status status = OK;
    for (size_t i = 0; i < signer->keys.count && status == OK; i++) {
        unsigned char digest[DIGEST_BYTES_MAX];
        const size_t len = hmac(DIGEST_SHA256, signer->keys.keys[i], content, 5, digest);
        status = buf_add_str(value, i > 0 ? " v1," : "v1,");
        if (status == OK)
            status = base64_encode(slice_of((const char *)digest, len), value);
    }
    return status;
}

static enum status sign_standard(const struct signer *signer, const struct sign_input *input,
                                 struct buf *head)
{
    char text[24];
    const int len = snprintf(text, sizeof text, "%lld", (long long)input->timestamp_s);
    const struct slice timestamp = slice_of(text, (size_t)len);
    const struct slice dot = slice_of(".", 1);
    const struct slice content[5] = {input->id, dot, timestamp, dot, input->body};
    struct buf value;
    buf_init(&value, SIGNATURES_BYTES_MAX);
    enum status status = sign_content(signer, content, &value);
    if (status == OK)
        status = head_add(head, slice_str(standard_names.id), input->id);
    if (status == OK)
        status = head_add(head, slice_str(standard_names.timestamp), timestamp);
    if (status == OK)
        status = head_add(head, slice_str(standard_names.signature), buf_slice(&value));
    buf_finish(&value);
    return status;
}

enum status signer_sign(const struct signer *signer, const struct sign_input *input,
                        struct buf *head)
{
    switch (signer->kind) {
    case SIGNER_NONE:
        return OK;
    case SIGNER_HMAC:
        return sign_hmac(signer, input, head);
    case SIGNER_STANDARD:
        return sign_standard(signer, input, head);
    }
    return E_INVALID;
}
