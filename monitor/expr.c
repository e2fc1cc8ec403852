/*
 * Expressions of the human monitor: C's operators on 64-bit integers.
 */
#include "monitor/hmp.h"
#include "util/error.h"

enum { MAX_DEPTH = 64 };

typedef struct Parser {
    const char *at;
    unsigned depth;
    GError **err;
} Parser;

static bool sum(Parser *p, uint64_t *ret);

static char peek(Parser *p)
{
    while (g_ascii_isspace(*p->at)) {
        p->at++;
    }
    return *p->at;
}

static bool primary(Parser *p, uint64_t *ret)
{
    char c = peek(p);
    char *end;

    if (p->depth++ == MAX_DEPTH) {
        return rh_fail(p->err, "expression is too deep");
    }
    if (c == '-' || c == '+' || c == '~') {
        uint64_t value;

        p->at++;
        if (!primary(p, &value)) {
            return false;
        }
        *ret = c == '-' ? -value : c == '~' ? ~value : value;
    } else if (c == '(') {
        p->at++;
        if (!sum(p, ret)) {
            return false;
        }
        if (peek(p) != ')') {
            return rh_fail(p->err, "')' expected");
        }
        p->at++;
    } else if (g_ascii_isdigit(c)) {
        *ret = g_ascii_strtoull(p->at, &end, 0);
        p->at = end;
        if (g_ascii_isalnum(*end)) {
            return rh_fail(p->err, "invalid char '%c' in expression", *end);
        }
    } else if (c == '$') {
        return rh_fail(p->err, "registers in expressions are not supported yet");
    } else {
        return c ? rh_fail(p->err, "invalid char '%c' in expression", c) : rh_fail(p->err, "unexpected end of expression");
    }
    p->depth--;
    return true;
}

static bool product(Parser *p, uint64_t *ret)
{
    uint64_t right;
    char op;

    if (!primary(p, ret)) {
        return false;
    }
    while ((op = peek(p)) == '*' || op == '/' || op == '%') {
        p->at++;
        if (!primary(p, &right)) {
            return false;
        }
        if (op != '*' && !right) {
            return rh_fail(p->err, "division by zero");
        }
        *ret = op == '*' ? *ret * right : op == '/' ? *ret / right : *ret % right;
    }
    return true;
}

static bool logic(Parser *p, uint64_t *ret)
{
    uint64_t right;
    char op;

    if (!product(p, ret)) {
        return false;
    }
    while ((op = peek(p)) == '&' || op == '|' || op == '^') {
        p->at++;
        if (!product(p, &right)) {
            return false;
        }
        *ret = op == '&' ? *ret & right : op == '|' ? *ret | right : *ret ^ right;
    }
    return true;
}

static bool sum(Parser *p, uint64_t *ret)
{
    uint64_t right;
    char op;

    if (!logic(p, ret)) {
        return false;
    }
    while ((op = peek(p)) == '+' || op == '-') {
        p->at++;
        if (!logic(p, &right)) {
            return false;
        }
        *ret = op == '+' ? *ret + right : *ret - right;
    }
    return true;
}

bool rh_hmp_eval(const char *text, int64_t *ret, GError **err)
{
    Parser p = { .at = text, .err = err };
    uint64_t value;

    if (!sum(&p, &value)) {
        return false;
    }
    if (peek(&p)) {
        return rh_fail(err, "invalid char '%c' in expression", *p.at);
    }
    *ret = (int64_t)value;
    return true;
}
