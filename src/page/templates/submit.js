// Submits the one form of the page. Not form.submit(): a field may have that name.
HTMLFormElement.prototype.submit.call(document.forms[0]);
