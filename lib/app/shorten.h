#ifndef APP_SHORTEN_H
#define APP_SHORTEN_H

#include "app/message/message.h"

/*
 * Make the lines of a message short enough for SMTP (RFC 5321 s4.5.3.1.6): its text is written anew,
 * with quoted-printable where that is allowed (app/message/long_lines.h) and cut elsewhere (submit_fold).
 * For the few messages that need it: the text is read twice. Memory is constant.
 *
 * message    text has CR LF lines of any length, header_bytes counts its header section; both, has_8bit
 *            and header_8bit are replaced
 * Fails with CANT_CREATE, MESSAGE_TOO_BIG, STORAGE, STORAGE_FULL; message is unchanged then.
 */
int message_shorten(struct message *message, struct fail *why);

#endif
